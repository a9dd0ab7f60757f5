"""A model in memory of two users with their sessions and links, by the rules of the API's contract.

Plain classes: of a dataclass Hypothesis prints every field, and not the short name that `__repr__` returns.
"""

from datetime import timedelta

from django.utils import timezone

from accounts.tests.factories import PASSWORD

ACCESS, REFRESH, LIFETIME = timedelta(minutes=15), timedelta(days=7), timedelta(days=30)
GRACE = timedelta(seconds=10)
LINK_LIFETIMES = {
    "reset-password": timedelta(hours=1),
    "verify-email": timedelta(hours=24),
    "undo-email-change": timedelta(days=7),
}
# Emails with a link to one address within an hour; see accounts/services/mailboxes.py. A notice has no such limit.
MAX_RECENT = {"reset-password": 5, "verify-email": 4, "undo-email-change": 1000}
EXPIRED, REVOKED = (401, "TOKEN_EXPIRED"), (401, "TOKEN_REVOKED")


class Token:
    def __init__(self, text, expires_at):
        self.text, self.expires_at = text, expires_at
        self.is_done = False  # refused, and not checked again

    @property
    def is_expired(self):
        return self.expires_at <= timezone.now()


class Link:
    """A link that was mailed. `kind` is its page, and `email` the address that it was sent to."""

    def __init__(self, kind, email, text):
        self.kind, self.email, self.text, self.created_at = kind, email, text, timezone.now()
        self.is_used = self.is_void = False

    def __repr__(self):
        return f"{self.kind} to {self.email}"

    @property
    def is_expired(self):
        return self.created_at + LINK_LIFETIMES[self.kind] <= timezone.now()

    @property
    def is_recent(self):
        return self.kind != "undo-email-change" and self.created_at > timezone.now() - timedelta(hours=1)

    @property
    def is_open(self):
        return not (self.is_used or self.is_void or self.is_expired)


class SessionModel:
    """A session with the tokens that its client got: `refresh[-1]` is the current one, all before it are spent."""

    def __init__(self, account, session_id):
        self.account, self.id = account, session_id
        self.created_at = self.rotated_at = timezone.now()
        self.is_ended, self.access, self.refresh = False, [], []

    def __repr__(self):
        return f"session {self.account.sessions.index(self)} of {self.account}"

    @property
    def expires_at(self):
        return min(self.rotated_at + REFRESH, self.created_at + LIFETIME)

    @property
    def is_live(self):
        return not self.is_ended and self.expires_at > timezone.now()

    @property
    def is_usable(self):
        return self.is_live and not self.access[-1].is_expired

    def unchecked(self):
        return [token for token in self.access if not token.is_done]

    def refusal_of(self, token):
        """Return the refusal of an access or refresh token, or None for one that may be accepted."""
        if token.is_expired:
            return EXPIRED
        return None if self.is_live else REVOKED

    def rotate(self, pair):
        """Take the pair of a log-in or a refresh."""
        self.rotated_at = timezone.now()
        self.take_access(pair)
        self.refresh.append(Token(pair["refreshToken"], self.expires_at))

    def take_access(self, pair):
        self.access.append(Token(pair["accessToken"], timezone.now() + ACCESS))

    def is_repeatable(self, token):
        """Return whether a spent refresh token gets the current one again."""
        return token in self.refresh[-2:-1] and timezone.now() - self.rotated_at <= GRACE


class AccountModel:
    def __init__(self, user):
        self.name, self.id, self.email, self.password = user.name, str(user.pk), user.email, PASSWORD
        self.role, self.pending = "user", None
        self.is_verified, self.is_deleted = user.email_verified, False
        self.sessions, self.links = [], []

    def __repr__(self):
        return self.name

    def end_sessions(self, *, but=None):
        for session in self.sessions:
            session.is_ended |= session is not but

    def void_links(self):
        """Void what a recovery voids: the pending address with its link, and reset links."""
        self.set_pending(None)
        for link in self.links:
            link.is_void |= link.kind == "reset-password" and not link.is_used

    def set_pending(self, address):
        for link in self.links:
            link.is_void |= link.kind == "verify-email" and link.email == self.pending and not link.is_used
        self.pending = address

    def open_undo_links(self, email=None):
        return [
            link
            for link in self.links
            if link.kind == "undo-email-change" and link.is_open and email in {None, link.email}
        ]

    def void_undo_links(self, since):
        for link in self.open_undo_links():
            link.is_void |= link.created_at >= since

    def leave_address(self, new):
        """Move to a verified address. Return whether the former one gets a link that undoes this."""
        back = min((link.created_at for link in self.open_undo_links(new)), default=None)
        if back is not None:
            self.void_undo_links(back)
        undoable = self.is_verified and back is None
        self.email, self.is_verified = new, True
        self.void_links()
        return undoable

    def delete(self):
        self.is_deleted = True
        self.end_sessions()
        for link in self.links:
            link.is_void = True
