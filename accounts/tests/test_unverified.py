"""The setting REQUIRE_VERIFIED_EMAIL: what a user may do before the address is proven."""

from datetime import timedelta

import pytest
from django.urls import path
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import cookies
from accounts.models import User
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, data, events, log_in_with, refresh_with, refusal
from accounts.tests.factories import PASSWORD, UserFactory
from config import urls
from core.api.views import ApiView
from core.jobs.models import Job
from core.tests.caller import Caller
from core.tests.office import browser_of

pytestmark = pytest.mark.django_db

UNVERIFIED = (403, "EMAIL_UNVERIFIED")


@pytest.fixture(autouse=True)
def _required(settings):
    settings.REQUIRE_VERIFIED_EMAIL = True


@pytest.fixture
def verified(log_in):
    return log_in(UserFactory(email_verified_at=timezone.now()))


# --- views as adopters write them -----------------------------------------------------------------


class PlainView(APIView):
    """View of plain REST framework."""

    throttle_classes = ()

    def get(self, request):
        return Response({"user": request.user.is_authenticated})


class OwnPermissions(PlainView):
    permission_classes = (IsAuthenticated,)


class NoPermissions(PlainView):
    permission_classes = ()


class OwnApiView(ApiView):
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({})


class ByKey(BaseAuthentication):
    """Authentication of an adopter, which knows nothing of verified addresses."""

    def authenticate(self, request):
        user = User.objects.filter(email=request.META.get("HTTP_X_KEY", "")).first()
        return (user, None) if user else None


class OwnAuthentication(OwnApiView):
    authentication_classes = (ByKey,)


class Admitting(OwnAuthentication):
    admits_unverified = True


class Public(ApiView):
    permission_classes = (AllowAny,)

    def get(self, request):
        return Response({"user": request.user.is_authenticated})


OWN = {"plain": PlainView, "permissions": OwnPermissions, "none": NoPermissions, "api": OwnApiView}
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500

urlpatterns = [
    *(path(f"api/v1/own/{name}", view.as_view()) for name, view in OWN.items()),
    path("api/v1/own/public", Public.as_view()),
    path("api/v1/own/key", OwnAuthentication.as_view()),
    path("api/v1/own/admitting-key", Admitting.as_view()),
    *urls.urlpatterns,
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", OWN)
def test_a_view_of_an_adopter_refuses_too(owner, verified, name):
    assert refusal(owner.get(f"{API}/own/{name}")) == UNVERIFIED
    assert verified.get(f"{API}/own/{name}").status_code == 200


@pytest.mark.urls(__name__)
def test_a_view_for_everybody_serves_an_unverified_user_as_a_stranger(owner, verified):
    assert data(owner.get(f"{API}/own/public")) == {"user": False}
    assert data(verified.get(f"{API}/own/public")) == {"user": True}


@pytest.mark.urls(__name__)
def test_an_authentication_of_an_adopter_counts_too(owner, verified, anonymous):
    def by_key(user, path="key"):
        return anonymous.get(f"{API}/own/{path}", HTTP_X_KEY=user.email)

    assert refusal(by_key(owner.user)) == UNVERIFIED
    assert by_key(owner.user, "admitting-key").status_code == 200
    assert by_key(verified.user).status_code == 200
    User.objects.filter(pk=verified.user.pk).update(suspended_at=timezone.now())
    assert refusal(by_key(verified.user)) == (401, "UNAUTHORIZED")


# --- the API --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/users"),
        ("get", "/users/{me}"),
        ("patch", "/users/{me}"),
        ("delete", "/users/{me}"),
        ("get", "/users/me/export"),
        ("get", "/jobs"),
        ("delete", "/jobs/{me}"),
    ],
)
def test_everything_else_is_refused(owner, method, path):
    response = getattr(owner, method)(API + path.format(me=owner.user.pk))

    assert refusal(response) == UNVERIFIED


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_a_role_changes_nothing(log_in, role):
    assert refusal(log_in(UserFactory(role=role)).get(f"{API}/users")) == UNVERIFIED


def test_an_unverified_admin_creates_no_admin(log_in):
    boss = log_in(UserFactory(role="admin"))
    body = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD, "role": "admin"}

    assert refusal(boss.post(f"{API}/users", body)) == UNVERIFIED


def test_login_register_and_refresh_work(owner, anonymous):
    assert log_in_with(owner.user.email).status_code == 200
    assert refresh_with(owner.refresh_token).status_code == 200
    body = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD}
    assert anonymous.post(f"{API}/auth/register", body).status_code == 201


def test_the_own_account_and_sessions_are_open(owner):
    me = f"{API}/users/me"
    assert owner.get(me).status_code == 200
    assert owner.patch(me, {"name": "Other Name"}).status_code == 200
    assert owner.get(f"{API}/auth/sessions").status_code == 200
    assert owner.post(f"{API}/auth/resend-verification").status_code == 202
    change = {"currentPassword": PASSWORD, "newPassword": "An0ther-battery-staple"}
    assert owner.post(f"{API}/auth/change-password", change).status_code == 204
    assert owner.delete(me, {"currentPassword": change["newPassword"]}).status_code == 204


@pytest.mark.parametrize("path", ["logout", "logout-all"])
def test_a_logout_works(owner, path):
    assert owner.post(f"{API}/auth/{path}").status_code == 204


def test_a_cookie_counts_as_a_token_does(owner):
    browser = Caller()
    body = {"email": owner.user.email, "password": PASSWORD}
    csrf = data(browser.post(f"{API}/auth/login?delivery=cookie", body))["csrfToken"]

    assert cookies.ACCESS.name in browser.cookies
    assert browser.get(f"{API}/users/me").status_code == 200
    assert data(browser.get(f"{API}/auth/csrf"))["csrfToken"] == csrf
    assert refusal(browser.get(f"{API}/jobs")) == UNVERIFIED


def test_a_proof_counts_with_the_next_request(owner, anonymous):
    assert refusal(owner.get(f"{API}/jobs")) == UNVERIFIED
    token = issue_token(owner.user, "email_proof", owner.user.email, timedelta(hours=1))
    anonymous.post(f"{API}/auth/verify-email", {"token": token})

    assert owner.get(f"{API}/jobs").status_code == 200


def test_a_corrected_address_counts_once_it_is_proven(owner, emailed_token, anonymous):
    owner.patch(f"{API}/users/me", {"email": "right@example.com", "currentPassword": PASSWORD})
    assert refusal(owner.get(f"{API}/jobs")) == UNVERIFIED

    token = issue_token(owner.user, "email_proof", "right@example.com", timedelta(hours=1))
    anonymous.post(f"{API}/auth/verify-email", {"token": token})

    assert owner.get(f"{API}/jobs").status_code == 200


def test_a_change_of_address_closes_nothing(verified):
    verified.patch(f"{API}/users/me", {"email": "new@example.com", "currentPassword": PASSWORD})

    assert verified.get(f"{API}/jobs").status_code == 200


def test_without_the_setting_nothing_is_refused(owner, settings):
    settings.REQUIRE_VERIFIED_EMAIL = False

    assert owner.get(f"{API}/jobs").status_code == 200


def test_an_ended_session_is_told_first(owner):
    owner.user.sessions.end("test")

    assert refusal(owner.get(f"{API}/jobs")) == (401, "TOKEN_REVOKED")


def test_a_refusal_is_no_audit_event(owner):
    owner.get(f"{API}/jobs")

    assert events() == []


def test_the_admin_is_not_affected(log_in):
    browser = browser_of(UserFactory(role="admin"))

    assert browser.get("/admin/accounts/user/").status_code == 200


@pytest.mark.parametrize(
    ("is_verified", "is_required", "runs"),
    [(False, True, False), (True, True, True), (False, False, True)],
)
def test_a_job_runs_for_whom_the_api_is_open(settings, is_verified, is_required, runs):
    settings.REQUIRE_VERIFIED_EMAIL = is_required
    user = UserFactory(email_verified_at=timezone.now() if is_verified else None)

    assert Job(user=user, role=user.role).is_for(user) is runs
