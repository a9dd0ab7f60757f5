"""The routes of the product, a view that has a defect, and one whose database is lost."""

from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as routes
from core.web.errors import ApiError

ERRORS: dict[str, type[Exception]] = {"defect": ValueError, "lost": OperationalError}


@csrf_exempt
def fail(request: HttpRequest, kind: str) -> HttpResponse:
    secret_of_view: Any = request.body.decode() + request.headers.get("Authorization", "")
    if kind == "refusal":
        raise ApiError("CONFLICT")
    raise ERRORS[kind](f"cannot use {len(secret_of_view)} of ann@example.com at 192.0.2.7")


urlpatterns = [path("api/v1/fail/<str:kind>", fail), *routes]
