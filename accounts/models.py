"""Users, their sessions, the secrets in emails to them, and the counts of failed logins and of emails."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.address_counts import AddressModel
from accounts.addresses import canonical_email, lookup_email, readable_email
from accounts.api_access import ApiAccess
from accounts.password_model import PasswordModel
from core.db.access import Access, AccessQuerySet
from core.db.base import BaseModel, BaseQuerySet, etag_of
from core.web.text import fold


class Role(models.TextChoices):
    USER = "user"
    STAFF = "staff"
    ADMIN = "admin"


class Status(models.TextChoices):
    """The status of an account. It is derived from the times of suspension and deletion."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class UserQuerySet(BaseQuerySet):
    def active(self) -> Self:
        return self.not_deleted().filter(suspended_at=None)

    def with_status(self, *statuses: str) -> Self:
        """Filter by status: any of these. A deleted account is not suspended too."""
        conditions = {
            Status.ACTIVE: models.Q(deleted_at=None, suspended_at=None),
            Status.SUSPENDED: models.Q(deleted_at=None, suspended_at__isnull=False),
            Status.DELETED: models.Q(deleted_at__isnull=False),
        }
        any_of = models.Q(pk__in=())
        for status in statuses:
            any_of |= conditions[Status(status)]
        return self.filter(any_of)

    def with_email(self, address: str) -> Self:
        """Return the user with this canonical address, as a queryset."""
        return self.not_deleted().filter(email=address)

    def matching(self, text: str) -> Self:
        """Filter by text: every word is a part of the address or the name, regardless of case and accents."""
        words = dict.fromkeys(fold(text).split())
        rows = self if words or not text.strip() else self.none()
        for word in words:
            rows = rows.filter(search_text__contains=word)
        return rows


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_user(self, email: str, name: str, password: str | None = None, **extra: Any) -> "User":
        user: User = self.model(email=canonical_email(email), name=name, **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, name: str, password: str | None = None, **extra: Any) -> "User":
        extra.setdefault("email_verified_at", timezone.now())
        return self.create_user(email, name, password, role=Role.ADMIN, **extra)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.not_deleted().get(email=lookup_email(username or ""))


class User(ApiAccess, PasswordModel, PermissionsMixin, BaseModel):
    """An account. `role` is the only source of its permissions. Django's flags are derived from it."""

    email = models.CharField(max_length=254)
    pending_email = models.CharField(max_length=254, null=True, blank=True)  # noqa: DJ001 - null means none
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.USER)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Name and address for `matching`: without case and accents, an international domain in both forms.
    # The default in the database is for an earlier release, which does not have the column.
    search_text = models.TextField(blank=True, default="", db_default="", editable=False)
    mfa_enabled = models.BooleanField(default=False, db_default=False, editable=False)
    # Part of the session hash of the admin: a change ends the user's sessions there.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

    access = Access(owner="pk")
    keeps_trash = False  # accounts/services/erasure.py
    etag_covers = frozenset({"email_verified", "etag", "status"})
    objects: ClassVar = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="user_by_created"),
            models.Index(
                fields=["email"], condition=models.Q(deleted_at__isnull=False), name="user_deleted_by_email"
            ),
            models.Index(fields=["role", "-id"], condition=~models.Q(role="user"), name="user_staff_by_role"),
        ]
        permissions: ClassVar = [  # of actions in the admin, besides those of `change_user`
            ("unlock_user", "Can unlock users"),
            ("send_reset_link_user", "Can send users a link to set a new password"),
            ("end_sessions_user", "Can end the sessions of users"),
            ("export_user", "Can export the data of users"),
            ("erase_user", "Can erase deleted users"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(deleted_at=None),
                name="email_is_unique_among_living_users",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="role_is_known"),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is None or not {"name", "email"}.isdisjoint(update_fields):
            self.index_words()
            update_fields = update_fields and {*update_fields, "search_text"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def index_words(self) -> None:
        """Set `search_text`. Call it before a write without `save`."""
        self.search_text = fold(" ".join(dict.fromkeys((self.name, self.email, readable_email(self.email)))))

    @property
    def etag(self) -> str:  # with the id, because /users/me is another object for every caller
        return etag_of(self.version, self.updated_at, self.pk.hex)

    @property
    def status(self) -> Status:
        if self.deleted_at is not None:
            return Status.DELETED
        return Status.ACTIVE if self.suspended_at is None else Status.SUSPENDED

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Return whether the user may log in: neither suspended nor deleted. Django's backends read it."""
        return self.status == Status.ACTIVE

    @property
    def is_staff(self) -> bool:
        return self.role in {Role.STAFF, Role.ADMIN}

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]  # in place of the mixin's column
        return self.role == Role.ADMIN

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    def outranks(self, other: "User") -> bool:
        """Return whether the user may change the other account in the admin: staff may change users, admins all."""
        return self.is_superuser or (self.is_staff and not other.is_staff)

    def clean(self) -> None:
        self.email = canonical_email(self.email)

    @classmethod
    def normalize_username(cls, username: str) -> str:
        return lookup_email(username)

    def get_session_auth_hash(self) -> str:
        return f"{super().get_session_auth_hash()}{self.session_epoch}"

    def get_session_auth_fallback_hash(self) -> Any:
        return (f"{value}{self.session_epoch}" for value in super().get_session_auth_fallback_hash())


class SessionQuerySet(AccessQuerySet):
    def live(self) -> Self:
        return self.filter(ended_at=None, expires_at__gt=timezone.now())

    def end(self, reason: str) -> int:
        """End the live sessions and return their number."""
        return self.filter(ended_at=None).update(ended_at=timezone.now(), end_reason=reason)


class Session(models.Model):
    """One login on one device.

    A refresh token is a signed JWT. Only hashes of its `jti` are stored: `refresh_hash` of the current token and
    `previous_hash` of the token that it replaced. So any other genuine token is a spent one.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions")
    refresh_hash = models.CharField(max_length=64, editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    user_agent = models.CharField(max_length=400, blank=True, default="")
    ip_address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)
    rotated_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(help_text="Unless it is refreshed before")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=30, blank=True, default="")
    step_up_expires_at = models.DateTimeField(null=True, editable=False)

    access = Access(owner="user", read_all=(), write_all=())
    objects: ClassVar = SessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="session_by_user"),
            models.Index(fields=["expires_at"], name="session_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.user_agent[:40] or 'unknown device'} since {self.created_at:%Y-%m-%d}"

    @property
    def is_live(self) -> bool:
        return self.ended_at is None and self.expires_at > timezone.now()


class OneTimeToken(models.Model):
    """The hash of a secret that was sent by email. `email` is the address that its use verifies."""

    class Purpose(models.TextChoices):
        PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose
        INVITATION = "invitation"
        EMAIL_PROOF = "email_proof"
        EMAIL_UNDO = "email_undo"
        UNDELETE = "undelete"
        NOT_ME = "not_me"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="one_time_tokens"
    )
    # The session that the token ends, for NOT_ME.
    session = models.ForeignKey(Session, on_delete=models.CASCADE, null=True, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    email = models.CharField(max_length=254)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="one_time_token_by_expiry")]

    def __str__(self) -> str:
        return f"{self.purpose} for {self.email}"

    def claim(self) -> bool:
        """Spend the token. Only one of several parallel calls returns True."""
        now = timezone.now()
        free = OneTimeToken.objects.filter(pk=self.pk, used_at=None, expires_at__gt=now)
        return free.update(used_at=now) == 1


class Lockout(AddressModel):
    """The failed logins of one address."""

    failed_at = models.JSONField(default=list, help_text="Unix times within the window, oldest first")
    locked_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{len(self.failed_at)} failures"

    @property
    def seconds_left(self) -> int:
        """Seconds until the lock ends, rounded up, or 0 without a lock."""
        now = timezone.now()
        left = (self.locked_until or now) - now
        return -(-left // timedelta(seconds=1)) if left > timedelta(0) else 0


class Mailbox(AddressModel):
    """The recent emails of one kind to one address, from all accounts."""

    sent_at = models.JSONField(default=list, help_text="Unix times within the last hour, oldest first")

    def __str__(self) -> str:
        return f"{len(self.sent_at)} emails"
