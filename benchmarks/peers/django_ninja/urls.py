import datetime
import uuid

import jwt
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.urls import path
from ninja import Field, NinjaAPI, Schema
from ninja.errors import HttpError
from ninja.pagination import PageNumberPagination, paginate
from ninja.security import HttpBearer
from records.models import Resource, Tag, User


class Bearer(HttpBearer):
    def authenticate(self, request, token):
        try:
            claims = jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return None
        return User.objects.filter(pk=claims["sub"], is_active=True).first()


class Credentials(Schema):
    email: str
    password: str


class Token(Schema):
    access: str


class ResourceIn(Schema):
    title: str = Field(min_length=1, max_length=255)
    content: str = ""
    status: Resource.Status = Resource.Status.DRAFT
    tags: list[str] = []


class ResourceOut(Schema):
    id: uuid.UUID
    user_id: uuid.UUID
    title: str
    content: str
    status: str
    tags: list[str]
    created_at: datetime.datetime
    updated_at: datetime.datetime

    @staticmethod
    def resolve_tags(resource):
        return [tag.name for tag in resource.tags.all()]


api = NinjaAPI(auth=Bearer(), docs_url=None)


def resources_of(user):
    return Resource.objects.filter(user=user).prefetch_related("tags")


@api.post("/token", auth=None, response=Token)
def log_in(request, body: Credentials):
    user = authenticate(request, username=body.email, password=body.password)
    if user is None:
        raise HttpError(401, "Wrong email or password")
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=10)
    claims = {"sub": str(user.pk), "exp": expires}
    return {"access": jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")}


@api.get("/resources", response=list[ResourceOut])
@paginate(PageNumberPagination, page_size=20)
def list_resources(request, search: str = ""):
    rows = resources_of(request.auth)
    if search:
        rows = rows.filter(Q(title__icontains=search) | Q(content__icontains=search))
    return rows


@api.get("/resources/{uuid:resource_id}", response=ResourceOut)
def get_resource(request, resource_id: uuid.UUID):
    return get_object_or_404(resources_of(request.auth), pk=resource_id)


@api.post("/resources", response={201: ResourceOut})
def create_resource(request, body: ResourceIn):
    values = body.dict()
    names = values.pop("tags")
    with transaction.atomic():
        resource = Resource.objects.create(user=request.auth, **values)
        tags = [Tag.objects.get_or_create(user=request.auth, name=name)[0] for name in names]
        resource.tags.add(*tags)
    return 201, resource


urlpatterns = [path("api/", api.urls)]
