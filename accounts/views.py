"""Users, and the caller's own sessions."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response

from accounts.authentication import UserRequest
from accounts.filters import UserFilter
from accounts.models import Role, Session, User
from accounts.permissions import IsAdmin
from accounts.serializers import (
    CreateUserSerializer,
    DeleteAccountSerializer,
    SessionSerializer,
    UpdateUserSerializer,
    UserSerializer,
)
from accounts.services import accounts, admins, registration, sessions
from accounts.services.step_up import Reauthentication
from core.api.etags import check_if_match
from core.api.idempotency import idempotent
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.db.privacy import EXPORT_SCHEMA

CHANGE_ERRORS = ("EMAIL_EXISTS", "CONFLICT", "ACCOUNT_LOCKED", "STEP_UP_REQUIRED")
DELETION_ERRORS = ("CONFLICT", "ACCOUNT_LOCKED", "STEP_UP_REQUIRED")


class UserViewSet(BaseViewSet):
    """Accounts. Users read and change their own, also as `/users/me`, and admins all."""

    request: UserRequest
    key_scope = None
    queryset = User.objects.all()
    serializer_class = UserSerializer
    filterset_class = UserFilter
    sort_fields: ClassVar = {"createdAt": "created_at", "email": "email", "name": "name"}
    input_serializers: ClassVar = {
        "create": CreateUserSerializer,
        "update": UpdateUserSerializer,
        "partial_update": UpdateUserSerializer,
        "destroy": DeleteAccountSerializer,
    }
    documented_errors: ClassVar = {
        # FORBIDDEN: the admin was demoted during the request.
        "create": ("EMAIL_EXISTS", "FORBIDDEN", "REGISTRATION_CLOSED"),
        "update": (*CHANGE_ERRORS, "FORBIDDEN"),
        "partial_update": (*CHANGE_ERRORS, "FORBIDDEN"),
        "destroy": (*DELETION_ERRORS, "FORBIDDEN"),
    }
    action_permissions: ClassVar[dict[str, Any]] = {"create": [AllowAny], "list": [IsAdmin]}
    action_throttles: ClassVar = {"create": "auth"}

    def get_throttle_scope(self) -> str | None:
        """Return the scope of the IP address for a registration, but None for admins, whose own rate limit applies."""
        return None if self.request.user.is_superuser else self.action_throttles.get(self.action)

    def get_permissions(self) -> list[Any]:
        return [
            permission() for permission in self.action_permissions.get(self.action or "", [IsAuthenticated])
        ]

    def list(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        return self.list_response(self.listed_users)

    def listed_users(self) -> QuerySet[User]:
        """Return the accounts for the list, with deleted ones if the query has a status."""
        return User.objects.all() if "status" in self.request.query_params else User.objects.not_deleted()

    def input(self, *, partial: bool = False) -> dict[str, Any]:
        serializer = self.input_serializers[self.action](
            data=self.request.data, partial=partial, context={"may_invite": self.may_be_admin()}
        )
        self.validate(serializer)
        values: dict[str, Any] = serializer.validated_data
        if self.request.user.is_superuser:
            return values
        values.pop("status", None)
        is_for_admins = values.pop("role", Role.USER) != Role.USER or (
            self.action == "create" and "password" not in values
        )
        if is_for_admins and self.refused_credentials is not None:
            raise self.refused_credentials  # an admin with an expired token must not create a user by mistake
        return values

    def may_be_admin(self) -> bool:
        return self.request.user.is_superuser or self.refused_credentials is not None

    def respond(self, instance: User, status: int = 200, **headers: str) -> Response:
        """Record that an admin views another user, as in the admin site."""
        if status != 201 and instance.pk != self.request.user.pk:
            audit.record_view(actor_id=self.request.user.pk, target=instance)
        return super().respond(instance, status, **headers)

    def new_user(self, request: UserRequest, *args: Any, **kwargs: Any) -> User:
        """Return the user of the request, with a hash. An admin whose token has expired gets that error for what
        anonymous callers may not do."""
        if self.refused_credentials is not None and not registration.is_open():
            raise self.refused_credentials
        registration.require_open_registration(actor=self.actor())
        return accounts.new_user(**self.input())

    def actor(self) -> User | None:
        return self.request.user if self.request.user.is_authenticated else None

    @idempotent(prepare="new_user")
    def create(self, request: UserRequest, *args: Any, prepared: User, **kwargs: Any) -> Response:
        user = accounts.add_account(user=prepared, actor=self.actor())
        return self.respond(user, 201, Location=f"{request.path}/{user.pk}")

    def update(self, request: UserRequest, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        changes = self.input(partial=partial)
        password = changes.pop("currentPassword", None)
        user = self.get_object()
        reauthentication = accounts.authorize_changes(
            user=user, session=request.auth, changes=changes, password=password
        )
        with transaction.atomic():
            user = self.lock_user(user, reauthentication)
            accounts.update_account(user=user, actor=request.user, changes=changes)
        return self.respond(user)

    def lock_user(self, user: User, reauthentication: Reauthentication | None) -> User:
        """Lock the row and return it. Raise ApiError if its password or version, or the session, was replaced."""
        admins.lock_admins(user)
        user = self.locked_object()
        if reauthentication is not None:
            reauthentication.confirm(user)
        sessions.require_live(self.request.auth)
        check_if_match(self.request, user)
        return user

    def partial_update(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        password = self.input().get("currentPassword")
        user = self.get_object()
        reauthentication = accounts.authorize_deletion(user=user, session=request.auth, password=password)
        with transaction.atomic():
            user = self.lock_user(user, reauthentication)
            accounts.delete_account(user=user, actor=request.user)
        return Response(status=204)


class MeViewSet(UserViewSet):
    """The caller's own account."""

    admits_unverified = True
    open_to_keys: ClassVar = frozenset({"retrieve"})
    schema_name = "Me"
    schema_title = "the caller's account"
    documented_errors: ClassVar = {
        "update": CHANGE_ERRORS,
        "partial_update": CHANGE_ERRORS,
        "destroy": DELETION_ERRORS,
    }

    def lookup(self) -> dict[str, Any]:
        return {"pk": self.request.user.pk}

    @extend_schema(responses={200: EXPORT_SCHEMA})
    @action(detail=False)
    def export(self, request: UserRequest) -> Response:
        """Return all personal data of the caller."""
        return Response(accounts.export_account(user=request.user, actor=request.user, request=request))


class SessionViewSet(BaseViewSet):
    """The caller's live sessions."""

    request: UserRequest
    admits_unverified = True
    key_scope = None
    queryset = Session.objects.all()
    serializer_class = SessionSerializer
    exposed: ClassVar = frozenset({"list", "destroy"})
    sort_fields: ClassVar = {"lastUsedAt": "last_used_at", "createdAt": "created_at"}
    default_sort = "-lastUsedAt"

    def get_queryset(self) -> QuerySet[Session]:
        return Session.objects.visible_to(self.request.user).live()

    def destroy(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        sessions.end_session(session=self.get_object(), actor=request.user)
        return Response(status=204)
