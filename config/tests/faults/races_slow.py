"""Many clients that change one object, and many drains of one outbox: nothing is lost, nothing is done twice."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from config.tests.faults.measures import add_users, wait_until_drained
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_BROKER_URL": ""}
CLIENTS, INCREMENTS = 20, 50
DRAINS, MESSAGES = 10, 1000
LOCK = 20_261_126
DRAIN = f"""
from django.db import connection
from core.outbox.services import drain
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_lock_shared({LOCK})")
    cursor.execute("SELECT pg_advisory_unlock_shared({LOCK})")
number = 0
while (ended := drain()):
    number += ended
print(number)
"""
QUEUE = """
    INSERT INTO core_outbox_outboxmessage
        (id, kind, payload, status, created_at, due_at, attempts, last_error, request_id)
    SELECT gen_random_uuid(), 'accounts.password_reset', jsonb_build_object('email', email), 'pending',
        now(), now() - interval '10 minutes', 0, '', ''
    FROM accounts_user WHERE email LIKE 'queued%'
"""
WAITING = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted"


def test_increments_of_many_clients_lose_no_update(stage, figure):
    """Each reads, adds one under If-Match, and after a 412, or a 503 of a busy server, reads again."""
    token = stage.user("ann")
    made = stage.api("POST", "/resources", {"title": "Counter", "content": "0"}, token).json()["data"]
    path, replies, pause = f"/resources/{made['id']}", Counter(), threading.Event()

    def add_one():
        seen = stage.api("GET", path, token=token)
        if seen.status == 200:
            content = str(int(seen.json()["data"]["content"]) + 1)
            etag = seen.headers["ETag"]
            seen = stage.api("PATCH", path, {"content": content}, token, If_Match=etag)
        replies[seen.status] += 1
        return seen.status == 200

    def increment(_client):
        for _ in range(INCREMENTS):
            while not add_one():
                pause.wait(random.uniform(0, 0.1))

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(increment, range(CLIENTS)))
    last = stage.api("GET", path, token=token)

    figure("increments, refused as out of date, as busy", f"{replies[200]}, {replies[412]}, {replies[503]}")
    figure("in", time.monotonic() - began, "s")
    assert replies.keys() <= {200, 412, 503}
    assert last.json()["data"]["content"] == str(CLIENTS * INCREMENTS)
    assert last.headers["ETag"].startswith(f'"v{CLIENTS * INCREMENTS + 1}-')


def test_ten_drains_send_each_of_a_thousand_emails_once(stage, figure):
    """In processes of their own, which begin at the same time. There is no worker."""
    stage.user("reader")
    with stage.connection() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        drains = [drain_in_process(stage) for _ in range(DRAINS)]
        wait_until(lambda: connection.execute(WAITING).fetchone()[0] == DRAINS, 120)
        with connection.transaction():
            addresses = add_users(connection, "queued", MESSAGES)
            connection.execute(QUEUE)
        began = time.monotonic()
        connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    numbers = [int(each.communicate(timeout=300)[0].split()[-1]) for each in drains]
    wait_until_drained(stage)
    seconds = time.monotonic() - began
    sent = Counter(mail["To"] for mail in list(stage.sink.messages.queue))

    figure("messages of each drain", ", ".join(map(str, sorted(numbers))))
    figure("in", seconds, "s")
    assert sum(number > 0 for number in numbers) > 1
    assert [sent[address] for address in addresses] == [1] * MESSAGES


def drain_in_process(stage):
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", DRAIN],
        cwd=settings.BASE_DIR,
        env=stage.environment,
        stdout=subprocess.PIPE,
        stderr=stage.log,
        text=True,
    )
