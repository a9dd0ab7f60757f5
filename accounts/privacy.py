"""What the accounts app holds about a person, for the export."""

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
def mailed_links(user: User) -> Any:
    return [
        {"purpose": link.purpose, "email": link.email, "createdAt": link.created_at, "usedAt": link.used_at}
        for link in user.one_time_tokens.order_by("id")
    ]


@exports("auditEvents", AuditEvent)
def audit_events(user: User) -> Any:
    """Where somebody else acted, such as staff, their address and device are theirs and not the user's. Where the user
    has changed what is somebody else's, so are the values."""
    return [
        {
            "event": event.event,
            "createdAt": event.created_at,
            "ipAddress": event.ip_address if event.actor_id in {None, user.pk} else None,
            "userAgent": event.user_agent if event.actor_id in {None, user.pk} else "",
            "targetType": event.target_type,
            "targetId": event.target_id,
            "changes": event.changes if event.subject_id == user.pk else {},
        }
        for event in AuditEvent.objects.about(user.pk).order_by("id")
    ]


@exports("adminActions", LogEntry)
def admin_actions(user: User) -> Any:
    """What somebody who works in the admin has done there. Titles and addresses of what they have changed are in
    `object_repr` and `change_message`; they may be somebody else's."""
    return [
        {
            "at": entry.action_time,
            "action": ACTIONS.get(entry.action_flag),
            "targetType": entry.content_type.model if entry.content_type else "",
            "targetId": entry.object_id,
        }
        for entry in LogEntry.objects.filter(user=user).select_related("content_type").order_by("id")
    ]
