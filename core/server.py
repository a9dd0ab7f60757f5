"""granian's WSGI worker, with our threads (core/turns.py) in the place of its own.

A thread of granian takes a request and its body from the network, as slowly as they come, and puts it in line. One
of ours answers it. granian's own pool would wake a thread for each request, whether it may run or not, and another
one each time.
"""

from collections.abc import Callable, Iterable
from typing import IO, Any

from granian.server import mp

from core.bodies import Application, taken
from core.turns import turns

Runner = Callable[[Any, dict[str, Any]], Any]


def spawn_worker(*args: Any, **kwargs: Any) -> None:
    """The target of a worker process, for `Granian.serve(spawn_target=…)`."""
    build_runner = vars(mp)["_wsgi_call_wrap"]

    def build_feeder(application: Application, *options: Any) -> Runner:
        run = build_runner(in_one_piece(application), *options)

        def feed(protocol: Any, environ: dict[str, Any]) -> None:
            environ["wsgi.input_terminated"] = True  # granian tells the application the same, but later
            body = taken(environ)
            turns.submit(lambda: answer(run, protocol, environ, body))

        return feed

    vars(mp)["_wsgi_call_wrap"] = build_feeder
    mp.MPServer._spawn_wsgi_worker(*args, **kwargs)


def answer(run: Runner, protocol: Any, environ: dict[str, Any], body: IO[bytes]) -> None:
    """`run` calls the application and hands its answer to the protocol, which waits for it however long it takes."""
    try:
        with body:
            run(protocol, environ)
    except BaseException:
        protocol.response_bytes(500, [], b"")
        raise


def in_one_piece(application: Application) -> Application:
    """An answer that is there becomes a list: the server sends that at once, and asks no more questions. One that is
    streamed goes to its client without a turn."""

    def called(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response: Any = application(environ, start_response)
        if response.streaming:
            turns.leave()
            streamed: Iterable[bytes] = response
            return streamed
        pieces = [response.content]
        response.close()
        return pieces

    return called
