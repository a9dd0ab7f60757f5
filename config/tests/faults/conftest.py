"""Fixtures of the fault tests, and the table of their figures: `make test-faults`."""

import time

import pytest

from config.tests.faults.stage import staged

FIGURES: list[tuple[str, str, str]] = []


@pytest.fixture(scope="module")
def stage(tmp_path_factory, request):
    """The product for the tests of a module, with the variables of its ENVIRONMENT, its WORKER_APP and its
    POSTGRES_OPTIONS."""
    variables = getattr(request.module, "ENVIRONMENT", {})
    app = getattr(request.module, "WORKER_APP", "config")
    options = getattr(request.module, "POSTGRES_OPTIONS", ())
    with staged(tmp_path_factory.mktemp("stage"), app, options=options, **variables) as running:
        yield running


@pytest.fixture
def figure(request):
    """Return a function that keeps a figure of this test for the table: `figure("slowest response", 1.234, "s")`."""

    def keep(name, value, unit=""):
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        FIGURES.append(
            (request.node.name.removeprefix("test_").replace("_", " "), name, f"{shown} {unit}".strip())
        )

    return keep


@pytest.fixture(autouse=True)
def _ready_again(stage):
    """Require that the product is ready after each fault, without a restart."""
    yield
    stage.wait_until_ready()
    assert all(process.poll() is None for process in stage.processes), stage.log_path.read_text()[-5000:]


@pytest.fixture
def moment():
    return time.monotonic


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
        terminalreporter.write_line("| fault | figure | measured |\n| --- | --- | ---: |")
        for row in FIGURES:
            terminalreporter.write_line(f"| {' | '.join(row)} |")
