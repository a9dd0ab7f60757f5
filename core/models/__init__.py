"""The base of every model, and the tables that belong to no app."""

from core.models.answers import StoredAnswer
from core.models.audit import AppendOnlyError, AuditEvent
from core.models.base import BaseModel, BaseQuerySet
from core.models.outbox import OutboxMessage

__all__ = ["AppendOnlyError", "AuditEvent", "BaseModel", "BaseQuerySet", "OutboxMessage", "StoredAnswer"]
