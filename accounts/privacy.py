"""Personal data of the accounts app, for the export."""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry

from accounts.models import OneTimeToken, Session, User
from accounts.serializers import UserSerializer
from core.audit.models import AuditEvent
from core.db.privacy import exports

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
    return [
        {
            "id": session.pk,
            "userAgent": session.user_agent,
            "ipAddress": session.ip_address,
            "createdAt": session.created_at,
            "lastUsedAt": session.last_used_at,
            "expiresAt": session.expires_at,
            "endedAt": session.ended_at,
            "endReason": session.end_reason,
        }
        for session in user.sessions.order_by("id")
    ]


@exports("mailedLinks", OneTimeToken)
def links(user: User) -> Any:
    return [
        {"purpose": link.purpose, "email": link.email, "createdAt": link.created_at, "usedAt": link.used_at}
        for link in user.one_time_tokens.order_by("id")
    ]


@exports("auditEvents", AuditEvent)
def audit_events(user: User) -> Any:
    """Return the events of the user. The IP address and device of another actor, such as staff, are left out, and so
    are the values of another user's object."""
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
