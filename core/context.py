"""Who is asking, for the audit and the outbox: set once per request, empty in commands and workers."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = ""
    ip_address: str | None = None
    peer_address: str | None = None
    user_agent: str = ""

    @property
    def limit_address(self) -> str | None:
        """The address that limits count by: the client's, or the peer's where nobody knows the client's."""
        return self.ip_address or self.peer_address


current: ContextVar[RequestContext] = ContextVar(
    "request_context",
    default=RequestContext(),  # noqa: B039 - frozen
)
