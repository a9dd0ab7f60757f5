import pytest

from core.jobs import services as jobs
from core.outbox import services as outbox


@pytest.fixture
def handled(monkeypatch):
    """What the kind `test.kept` was given; set `handled.error` and it is kept no longer."""

    class Handled(list):
        error = None

    calls = Handled()

    def keep(message):
        calls.append(message.payload)
        if calls.error is not None:
            raise calls.error

    monkeypatch.setitem(outbox.handlers, "test.kept", keep)
    return calls


@pytest.fixture
def work(monkeypatch):
    """What jobs of the kind `test.job` do: `work.act(run)`. `work.done` holds those that came to their end."""

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
