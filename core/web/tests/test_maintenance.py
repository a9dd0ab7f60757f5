"""The setting MAINTENANCE_MODE: what is refused, and what is still served."""

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.answers import code
from core.tests.office import browser_of, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _maintenance(settings):
    settings.MAINTENANCE_MODE = True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/users/me"),
        ("post", "/api/v1/auth/login"),
        ("post", "/api/v1/auth/login/"),
        ("get", "/api/v1/unknown"),
        ("get", "/api/v1/schema"),
        ("get", "/api/v1/files"),
        ("get", "/api/docs"),
        ("delete", "/api/v1/users/me"),
        ("get", "/healthy"),
        ("get", "/administration"),
    ],
)
def test_the_api_is_refused_with_a_time_to_try_again(owner, method, path):
    response = getattr(owner, method)(path)

    assert code(response) == (503, "SERVICE_UNAVAILABLE")
    assert response["Retry-After"] == "300"
    assert response["X-Request-ID"]


@pytest.mark.parametrize("path", ["/", "/account/reset-password"])
def test_a_page_is_refused_with_a_page(client, path):
    response = client.get(path, headers={"Accept": "text/html"})

    assert (response.status_code, response["Retry-After"]) == (503, "300")
    assert response["Content-Type"].startswith("text/html")
    assert "down for maintenance" in response.content.decode()


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/", "/metrics"])
def test_probes_and_numbers_are_served(client, path):
    assert client.get(path).status_code == 200


def test_nobody_logs_in_and_nothing_changes(anonymous):
    user = UserFactory()
    anonymous.post("/api/v1/auth/login", {"email": user.email, "password": PASSWORD})

    assert not user.sessions.exists()


def test_the_admin_is_served_to_staff_alone(admin, owner):
    assert browser_of(admin.user).get(url_of(User)).status_code == 200
    assert Client().get("/admin/").status_code == 302
    assert browser_of(owner.user).get("/admin/").status_code == 302


def test_staff_log_in(client):
    boss = UserFactory(role="admin")
    client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})

    assert client.get("/admin/").status_code == 200


def test_a_script_of_an_allowed_origin_can_read_the_refusal(settings, anonymous):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    response = anonymous.get("/api/v1/users/me", headers={"Origin": "https://app.example.com"})

    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (503, "https://app.example.com")


def test_without_the_setting_all_is_served(settings, owner):
    settings.MAINTENANCE_MODE = False

    assert owner.get("/api/v1/users/me").status_code == 200
