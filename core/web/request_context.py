"""The context of the current request, for audit, outbox and logs.

Set once per request. The worker sets it from the `request_id` of the outbox message or job. Empty elsewhere.
"""

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = ""
    ip_address: str | None = None
    peer_address: str | None = None
    user_agent: str = ""
    user_id: str | None = None

    @property
    def limit_address(self) -> str | None:
        """The address that limits count by: the client's, or the peer's if the client's is unknown."""
        return self.ip_address or self.peer_address


current: ContextVar[RequestContext] = ContextVar(
    "request_context",
    default=RequestContext(),  # noqa: B039 - frozen
)


def identify(user_id: Any) -> None:
    """Add the user of this request to the log lines that follow. The middleware resets the context."""
    current.set(replace(current.get(), user_id=str(user_id)))
