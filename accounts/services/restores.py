"""Removal of what a restored backup must not bring back: sessions and links that may have ended or been used since."""

from django.contrib.sessions.models import Session as BrowserSession

from accounts.models import OneTimeToken, Session

Purpose = OneTimeToken.Purpose


def end_restored_sessions() -> int:
    """End every session, in the admin too. Return the number of API sessions."""
    BrowserSession.objects.all().delete()
    return Session.objects.all().end("restored")


def void_restored_links() -> int:
    """Delete unused links for resets, invitations and verifications. Links that undo a change of address or a deletion
    stay valid, as after a recovery: it is there again, and its victim needs them."""
    links = OneTimeToken.objects.filter(used_at=None).exclude(
        purpose__in=(Purpose.EMAIL_UNDO, Purpose.UNDELETE)
    )
    return links.delete()[0]
