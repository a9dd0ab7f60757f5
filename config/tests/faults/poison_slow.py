"""A message and a job that kill their process at each attempt, among others."""

import time

from config.tests.faults.measures import unfinished
from config.tests.faults.samples import Sample
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_WORKER_CONCURRENCY": "2", "JOB_LEASE_SECONDS": "8"}
WORKER_APP = "config.tests.faults.sample_work"
MAX_ATTEMPTS = 5
OTHERS = 4
OTHERS_SECONDS = 45.0  # for an email or a job that is requested meanwhile
# Each attempt has a lease of 60 s.
GIVEN_UP_SECONDS = 500
OWNER = "owner@example.com"


def state(stage, job, token):
    return stage.api("GET", f"/jobs/{job}", token=token).json()["data"]["status"]


def time_an_email_and_a_job(stage, number, token):
    """Return the seconds until an email of a new user has come, and until an export has been made."""
    began = time.monotonic()
    stage.user(f"meanwhile{number}")
    job = stage.api("POST", "/resources/export", {"format": "csv"}, token).json()["data"]["id"]
    seconds = {}

    def are_done():
        if stage.mails(f"meanwhile{number}@example.com"):
            seconds.setdefault("email", time.monotonic() - began)
        if state(stage, job, token) == "succeeded":
            seconds.setdefault("job", time.monotonic() - began)
        return len(seconds) == 2

    wait_until(are_done, 2 * OTHERS_SECONDS, explain=lambda: seconds)
    return seconds["email"], seconds["job"]


def test_what_kills_its_process_each_time_is_given_up_and_holds_up_nothing(stage, figure):
    token = stage.user("owner")
    wait_until(lambda: stage.mails(OWNER))
    stage.sink.slow["next-to"] = 9.0  # so that they are on their way when their process is killed
    poison, job = Sample(stage, 2.0, kills=True), Sample(stage, 0.5, owner=OWNER, kills=True)
    began = time.monotonic()
    for number in range(OTHERS):
        stage.user(f"next-to{number}")
    wait_until(lambda: poison.attempts and unfinished(stage, "lease_until IS NOT NULL") > 1)
    stage.sink.slow.clear()
    waits = []
    while not (poison.is_finished and job.is_finished) and time.monotonic() < began + GIVEN_UP_SECONDS:
        waits.append(time_an_email_and_a_job(stage, len(waits), token))
    seconds = time.monotonic() - began
    copies = [len(stage.mails(f"next-to{number}@example.com")) for number in range(OTHERS)]

    figure("attempts of the message, of the job", f"{poison.attempts}, {job.attempts}")
    figure("both given up after", seconds, "s")
    figure("emails next to it: copies", ", ".join(map(str, copies)))
    figure(
        "slowest email, job of others", ", ".join(f"{max(each):.1f} s" for each in zip(*waits, strict=True))
    )
    assert (poison.read("status"), job.read("status")) == (("failed",), ("failed",))
    assert 1 < poison.attempts <= MAX_ATTEMPTS
    assert 1 < job.attempts <= MAX_ATTEMPTS
    assert "given up" in poison.read("last_error")[0]
    assert "given up" in job.read("last_error")[0]
    assert set(copies) <= {1, 2}
    assert max(map(max, waits)) < OTHERS_SECONDS
    assert not unfinished(stage)
