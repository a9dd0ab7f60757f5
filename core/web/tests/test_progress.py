"""The progress of long commands, on a real terminal and in a pipe."""

import io
import os
import pty

from django.core.management.base import OutputWrapper

from core.web.progress import CLEAR, Progress


def test_a_terminal_shows_the_share_and_is_left_with_an_empty_line():
    screen, far_end = pty.openpty()
    with open(far_end, "w") as terminal, Progress(OutputWrapper(terminal), "users", 200) as progress:
        progress(50)
        shown = os.read(screen, 4096).decode()
    left = os.read(screen, 4096).decode()
    os.close(screen)

    assert shown == f"{CLEAR}users [{'#' * 6:<24}]  25%  50 of 200"
    assert left == CLEAR


def test_nothing_is_written_to_a_pipe():
    pipe = io.StringIO()
    with Progress(OutputWrapper(pipe), "users", 200) as progress:
        progress(50)

    assert pipe.getvalue() == ""
