"""Personal data of the accounts app, and of Django's apps, for the export and for `anonymize`."""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session as BrowserSession
from django.db.models import F

from accounts.models import Lockout, Mailbox, OneTimeToken, Session, User
from accounts.serializers import UserSerializer
from core.audit.models import AuditEvent
from core.db.anonymization import derives, empties, preserves, replaces
from core.db.privacy import exports

empties(LogEntry, BrowserSession, OneTimeToken, Session, Lockout, Mailbox)
for model in (ContentType, Group, Permission):
    preserves(model)
replaces(
    User,
    email=lambda number, _value: f"user{number}@example.com",
    pending_email=lambda _number, _value: None,
    name=lambda number, _value: f"User {number}",
    password=lambda _number, _value: make_password(None),
)
derives(User, "search_text")(User.index_words)

ACTIONS = {ADDITION: "addition", CHANGE: "change", DELETION: "deletion"}


@exports("account", User)
def account(user: User) -> Any:
    return {
        **UserSerializer(user).data,
        "lastLogin": user.last_login,
        "emailVerifiedAt": user.email_verified_at,
    }


@exports("sessions", Session)
def sessions(user: User) -> Any:
    columns = {
        "userAgent": F("user_agent"),
        "ipAddress": F("ip_address"),
        "createdAt": F("created_at"),
        "lastUsedAt": F("last_used_at"),
        "expiresAt": F("expires_at"),
        "endedAt": F("ended_at"),
        "endReason": F("end_reason"),
        "stepUpExpiresAt": F("step_up_expires_at"),
    }
    return list(user.sessions.order_by("id").values("id", **columns))


@exports("mailedLinks", OneTimeToken)
def links(user: User) -> Any:
    dates = {"createdAt": F("created_at"), "usedAt": F("used_at")}
    return list(user.one_time_tokens.order_by("id").values("purpose", "email", **dates))


@exports("auditEvents", AuditEvent)
def audit_events(user: User) -> Any:
    """Return the events of the user, without the IP address and device of another actor, such as staff, and without
    the values of another user's object."""
    return [
        {
            "event": event.event,
            "createdAt": event.created_at,
            "ipAddress": event.ip_address if event.actor_id in {None, user.pk} else None,
            "userAgent": event.user_agent if event.actor_id in {None, user.pk} else "",
            "targetType": event.target_type.rpartition(".")[2],
            "targetId": event.target_id,
            "changes": event.changes if event.subject_id == user.pk else {},
        }
        for event in AuditEvent.objects.about(user.pk).order_by("id")
    ]


@exports("adminActions", LogEntry)
def admin_actions(user: User) -> Any:
    """Return the actions of a member of staff in the admin, without `object_repr` and `change_message`, which may be
    personal data of others."""
    return [
        {
            "at": entry.action_time,
            "action": ACTIONS.get(entry.action_flag),
            "targetType": entry.content_type.model if entry.content_type else "",
            "targetId": entry.object_id,
        }
        for entry in LogEntry.objects.filter(user=user).select_related("content_type").order_by("id")
    ]
