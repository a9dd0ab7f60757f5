"""A server that starts without its database, a database without free connections, and two schedulers."""

from config.tests.faults.network import Fault
from config.tests.processes import call
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "1"}


def test_a_server_starts_without_its_database(stage, figure):
    stage.to_postgres.set(Fault.REFUSE)
    url = stage.another_server()
    wait_until(lambda: call(f"{url}/health/live").status == 200)
    ready = call(f"{url}/health/ready")
    response = call(f"{url}/api/v1/auth/login", "POST", {"email": "ann@example.com", "password": "x"})
    stage.to_postgres.set(Fault.NONE)
    wait_until(lambda: call(f"{url}/health/ready").status == 200, 5)

    assert (ready.status, response.status) == (503, 503)
    assert int(ready.headers["Retry-After"]) > 0
    assert response.json()["error"]["code"] == "SERVICE_UNAVAILABLE"


def test_a_database_without_free_connections(stage, figure):
    """A new server gets none: it refuses, and serves as soon as one is free."""
    token = stage.user("ann")
    taken = []
    url = stage.another_server()
    wait_until(lambda: call(f"{url}/health/live").status == 200)
    try:
        with stage.connection() as connection:
            limit = int(connection.execute("SHOW max_connections").fetchone()[0])
        while len(taken) < limit and (connection := stage.try_to_connect()) is not None:
            taken.append(connection)
        refused = call(f"{url}/api/v1/resources", token=token)
        assert call(f"{url}/health/live").status == 200
    finally:
        for connection in taken:
            connection.close()
    wait_until(lambda: call(f"{url}/api/v1/resources", token=token).status == 200, 5)

    figure("connections taken", len(taken))
    assert (refused.status, refused.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


def test_two_schedulers_send_an_email_once(stage):
    """Each wakes the worker up; the row is claimed once."""
    schedule = stage.log_path.with_name("second-beat")
    stage.start("-m", "celery", "-A", "config", "beat", "-s", str(schedule))
    wait_until(lambda: list(schedule.parent.glob("second-beat*")), 60)
    names = [f"doubled{number}" for number in range(5)]
    for name in names:
        stage.user(name)
    wait_until(lambda: all(stage.mails(f"{name}@example.com") for name in names), 60)
    with stage.connection() as connection:
        unfinished = "SELECT count(*) FROM core_outbox_outboxmessage WHERE finished_at IS NULL"
        wait_until(lambda: connection.execute(unfinished).fetchone()[0] == 0, 60)

    assert [len(stage.mails(f"{name}@example.com")) for name in names] == [1] * 5
