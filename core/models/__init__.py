"""The base of every model, and the tables that belong to no app."""

from core.models.answers import StoredAnswer
from core.models.audit import AppendOnlyError, AuditEvent
from core.models.base import BaseModel, BaseQuerySet, with_seen_version
from core.models.files import BaseAttachment, HasAttachments, StoredFile
from core.models.jobs import Job
from core.models.outbox import OutboxMessage
from core.models.revisions import Revision

__all__ = [
    "AppendOnlyError",
    "AuditEvent",
    "BaseAttachment",
    "BaseModel",
    "BaseQuerySet",
    "HasAttachments",
    "Job",
    "OutboxMessage",
    "Revision",
    "StoredAnswer",
    "StoredFile",
    "with_seen_version",
]
