import pytest

from core.jobs import services as jobs
from core.outbox import services as outbox


@pytest.fixture
def handled(monkeypatch):
    """Return the payloads that the handler of the kind `test.kept` received; set `handled.error` and it raises
    this error."""

    class Handled(list):
        error = None

    calls = Handled()

    def record(message):
        calls.append(message.payload)
        if calls.error is not None:
            raise calls.error

    monkeypatch.setitem(outbox.handlers, "test.kept", record)
    return calls


@pytest.fixture
def work(monkeypatch):
    """Register a function for jobs of the kind `test.job`: `work.act(run)`. `work.done` holds the ids of the
    finished ones."""

    class Work:
        done: list = []

        @staticmethod
        def act(_run):
            pass

    work = Work()
    work.done = []

    def function(run):
        work.act(run)
        run.succeed({"seen": run.job.parameters})
        work.done.append(run.job.pk)

    monkeypatch.setitem(jobs.functions, "test.job", function)
    return work
