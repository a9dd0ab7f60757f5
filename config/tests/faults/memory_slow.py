"""The memory of a worker while it exports few rows and very many."""

import os
import time
from pathlib import Path

import pytest

from config.tests.faults.measures import children, copy_row, megabytes
from config.tests.faults.stage import staged
from core.tests.waiting import wait_until

FEW, MANY = 10_000, int(os.environ.get("FAULT_ROWS", "1000000"))
MAX_GROWTH_MB = 10.0  # of the peak; the rows themselves are 50 times as much
JOB_SECONDS = 800
BATCH = 50_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    with staged(folder, MEDIA_ROOT=str(folder / "media"), CELERY_WORKER_CONCURRENCY="1") as running:
        yield running


def add_rows(stage, first, last):
    """Copy the first row of the user until there are so many."""
    with stage.connection() as connection:
        for begin in range(first, last, BATCH):
            end = min(begin + BATCH, last) - 1
            copy_row(
                connection, "resources_resource", "title = 'Row 0'", begin, end, title="'Row ' || number"
            )
        connection.execute("VACUUM ANALYZE resources_resource")


def export(stage, token, figure, rows):
    """Export all rows. Return the peak of the memory of the worker's process in MB, and its file's size in MB."""
    [child] = children(stage.processes[1].pid)
    Path(f"/proc/{child}/clear_refs").write_text("5")  # the peak begins again
    began = time.monotonic()
    job = stage.api("POST", "/resources/export", {"format": "csv"}, token).json()["data"]["id"]

    def ended():
        state = stage.api("GET", f"/jobs/{job}", token=token).json()["data"]
        return state if state["finishedAt"] else None

    result = wait_until(ended, JOB_SECONDS, explain=stage.log_path.read_text)
    assert (result["status"], result["result"]["rows"]) == ("succeeded", rows), result
    assert children(stage.processes[1].pid) == [child]
    peak = megabytes(child, "VmHWM")
    figure(f"{rows} rows: peak, size of the file", f"{peak:.1f}, {result['result']['size'] / 2**20:.0f} MB")
    figure(f"{rows} rows: time", time.monotonic() - began, "s")
    return peak, result["result"]["size"] / 2**20


def test_an_export_of_very_many_rows_needs_no_more_memory_than_a_small_one(stage, figure):
    token = stage.user("ann")
    body = {"title": "Row 0", "content": "lorem ipsum " * 40, "tags": ["red"]}
    assert stage.api("POST", "/resources", body, token).status == 201
    add_rows(stage, 1, FEW)
    few, _size = export(stage, token, figure, FEW)
    add_rows(stage, FEW, MANY)
    many, size = export(stage, token, figure, MANY)

    assert size > 5 * MAX_GROWTH_MB
    assert many - few < MAX_GROWTH_MB
