from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.api_keys import services
from accounts.api_keys.models import ApiKey
from accounts.api_keys.serializers import ApiKeySerializer, CreateApiKeySerializer, CreatedApiKeySerializer
from accounts.authentication import UserRequest
from accounts.services.step_up import Reauthentication, reauthenticate
from core.api.etags import PRIVATE
from core.api.idempotency import idempotent
from core.api.viewsets import BaseViewSet


class Prepared(NamedTuple):
    reauthentication: Reauthentication
    values: dict[str, Any]


class ApiKeyViewSet(BaseViewSet):
    """The caller's API keys."""

    request: UserRequest
    admits_unverified = True  # as all of `/auth`; a key is refused until the address is verified
    key_scope = None
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    exposed: ClassVar = frozenset({"list", "create", "destroy"})
    sort_fields: ClassVar = {"createdAt": "created_at", "lastUsedAt": "last_used_at", "name": "name"}
    documented_errors: ClassVar = {"create": ("ACCOUNT_LOCKED", "STEP_UP_REQUIRED", "CONFLICT")}

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.visible_to(self.request.user).not_revoked()

    def authorize(self, request: UserRequest, *args: Any, **kwargs: Any) -> Prepared:
        serializer = CreateApiKeySerializer(data=request.data)
        self.validate(serializer)
        values: dict[str, Any] = serializer.validated_data
        password = values.get("currentPassword")
        return Prepared(reauthenticate(session=request.auth, password=password), values)

    @extend_schema(request=CreateApiKeySerializer, responses={201: CreatedApiKeySerializer})
    @idempotent(prepare="authorize")
    def create(self, request: UserRequest, *args: Any, prepared: Prepared, **kwargs: Any) -> Response:
        """Create a key. `key` is in this response only: the server stores its hash."""
        key, secret = services.create_key(
            session=request.auth,
            reauthentication=prepared.reauthentication,
            name=prepared.values["name"],
            scopes=prepared.values["scopes"],
            expires_at=prepared.values.get("expiresAt"),
        )
        data = {**self.get_serializer(key).data, "key": secret}
        headers = {"Location": f"{request.path}/{key.pk}", "Cache-Control": PRIVATE}
        return Response(data, status=201, headers=headers)

    def destroy(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        """Revoke a key: it is refused from the next request on."""
        services.revoke_key(key=self.get_object(), actor=request.user)
        return Response(status=204)
