"""What the accounts app holds about a person, for the export."""

from typing import Any

from accounts.models import User
from accounts.serializers import UserSerializer
from core.export import exports
from core.models import AuditEvent


@exports("account")
def account(user: User) -> Any:
    return {**UserSerializer(user).data, "lastLogin": user.last_login, "emailVerifiedAt": user.email_verified_at}


@exports("sessions")
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


@exports("mailedLinks")
def mailed_links(user: User) -> Any:
    return [
        {"purpose": link.purpose, "email": link.email, "createdAt": link.created_at, "usedAt": link.used_at}
        for link in user.one_time_tokens.order_by("id")
    ]


@exports("auditEvents")
def audit_events(user: User) -> Any:
    mine = AuditEvent.objects.filter(actor_id=user.pk) | AuditEvent.objects.filter(target_id=user.pk)
    return [
        {
            "event": event.event,
            "createdAt": event.created_at,
            "ipAddress": event.ip_address,
            "userAgent": event.user_agent,
            "targetType": event.target_type,
            "targetId": event.target_id,
            "changes": event.changes,
        }
        for event in mine.order_by("id")
    ]
