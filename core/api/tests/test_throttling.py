import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from rest_framework.throttling import ScopedRateThrottle

from accounts.tests.factories import UserFactory
from core.api.views import ApiView
from core.tests.answers import code
from core.tests.interpreter import django_python
from core.tests.links import use_redis, with_long_timeout
from core.tests.parallel import switching_often, together
from core.tests.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.urls")]


@pytest.fixture
def patient_redis(settings):
    """Give Redis more time: with a hundred threads on two cores a tenth of a second is no sign of a dead server."""
    if settings.REDIS_URL:
        use_redis(settings, with_long_timeout(settings.REDIS_URL))


def test_of_100_parallel_requests_exactly_the_limit_passes(rates, patient_redis):
    rates(anon=60)
    with switching_often():
        answers = together(*[lambda: Client().get("/test/limited").status_code] * 100)

    assert (answers.count(200), answers.count(429)) == (60, 40)


def test_every_limited_answer_says_what_is_left(rates):
    rates(anon=3)
    answers = [Client().get("/test/limited") for _ in range(4)]

    assert [answer["RateLimit-Limit"] for answer in answers] == ["3"] * 4
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert all(1 <= int(answer["RateLimit-Reset"]) <= 60 for answer in answers)


def test_past_the_limit_it_says_when_to_come_again(rates):
    rates(anon=1)
    Client().get("/test/limited")
    answer = Client().get("/test/limited")

    assert code(answer) == (429, "RATE_LIMITED")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Retry-After"] == answer["RateLimit-Reset"]


def test_after_retry_after_it_is_allowed_again(settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "anon": (1, 2)}
    Client().get("/test/limited")
    refused_at, seconds = time.monotonic(), int(Client().get("/test/limited")["Retry-After"])
    wait_until(lambda: Client().get("/test/limited").status_code == 200, 10)

    assert 1 <= seconds <= 2
    assert seconds - 1.1 <= time.monotonic() - refused_at <= seconds + 1


def test_errors_are_counted_and_say_what_is_left(rates, owner):
    rates(user=10)
    answers = [
        owner.get("/api/v1/jobs?x=1"),
        owner.get("/api/v1/jobs/x"),
        owner.put("/api/v1/jobs", {}),
    ]

    assert [answer.status_code for answer in answers] == [400, 404, 405]
    assert [answer.get("RateLimit-Remaining") for answer in answers] == ["9", None, "8"]


def test_a_user_is_counted_over_all_their_sessions_and_addresses(rates, log_in):
    rates(user=2)
    user, other = UserFactory(), UserFactory()
    first, second, theirs = log_in(user), log_in(user), log_in(other)
    statuses = [
        first.get("/test/limited", REMOTE_ADDR="192.0.2.1").status_code,
        second.get("/test/limited", REMOTE_ADDR="192.0.2.2").status_code,
        first.get("/test/limited", REMOTE_ADDR="192.0.2.3").status_code,
        theirs.get("/test/limited", REMOTE_ADDR="192.0.2.1").status_code,
    ]

    assert statuses == [200, 200, 429, 200]


def test_an_anonymous_caller_is_counted_by_address(rates):
    rates(anon=1)
    statuses = [
        Client().get("/test/limited", REMOTE_ADDR=address).status_code
        for address in (
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.1",
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:1::1",
        )
    ]

    assert statuses == [200, 200, 429, 200, 429, 200]


def test_an_invented_forwarded_address_counts_for_nothing(rates):
    rates(anon=1)
    statuses = [
        Client()
        .get("/test/limited", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}", HTTP_X_REAL_IP="1.1.1.1")
        .status_code
        for n in range(3)
    ]

    assert statuses == [200, 429, 429]


def test_behind_a_proxy_the_forwarded_address_is_what_counts(rates, settings):
    rates(anon=1)
    settings.TRUSTED_PROXIES = 1
    statuses = [
        Client().get("/test/limited", HTTP_X_FORWARDED_FOR=chain).status_code
        for chain in ("203.0.113.1", "203.0.113.2", "1.1.1.1, 203.0.113.1")
    ]

    assert statuses == [200, 200, 429]


def test_doors_to_accounts_are_counted_apart(rates):
    rates(anon=1, auth=2)
    paths = [
        "/test/limited",
        "/test/limited-door",
        "/test/limited-door",
        "/test/limited",
        "/test/limited-door",
    ]

    assert [Client().get(path).status_code for path in paths] == [200, 200, 200, 429, 429]


def test_a_door_counts_by_address_whoever_knocks(rates, owner, stranger):
    rates(auth=1)

    assert [caller.get("/test/limited-door").status_code for caller in (owner, stranger)] == [200, 429]


def test_guessing_tokens_has_a_price(rates, anonymous):
    rates(anon=2)
    anonymous.credentials(HTTP_AUTHORIZATION="Bearer a.b.c")

    assert [anonymous.get("/api/v1/jobs").status_code for _ in range(3)] == [401, 401, 429]


@pytest.mark.parametrize(
    "path",
    [
        "login",
        "register",
        "forgot-password",
        "reset-password",
        "refresh",
        "verify-email",
        "undo-email-change",
        "not-me",
    ],
)
def test_every_door_of_accounts_is_limited(rates, anonymous, path):
    rates(auth=1)

    assert [anonymous.post(f"/api/v1/auth/{path}", {}).status_code for _ in range(2)][1] == 429


def test_the_limits_of_the_contract_are_the_defaults():
    done = django_python(
        "from django.conf import settings; print(settings.THROTTLE_RATES)",
        **{f"THROTTLE_{name}": "" for name in ("USER", "ANON", "AUTH", "SUMMARY")},
    )

    assert (
        done.stdout.strip()
        == "{'user': (100, 60), 'key': (100, 60), 'anon': (100, 900), 'auth': (100, 900), 'summary': (20, 3600)}"
    )


@pytest.mark.parametrize("by_route", [False, True])
def test_a_scope_without_a_rate_is_refused_at_start(by_route):
    members = {} if by_route else {"throttle_scope": "uploads"}
    view = type("UploadView", (ApiView,), members)
    given = {"throttle_scope": "uploads"} if by_route else {}

    with pytest.raises(
        ImproperlyConfigured, match=r"UploadView.throttle_scope is 'uploads'.*anon, auth, key, summary, user"
    ):
        view.as_view(**given)


def test_a_scope_of_another_throttle_is_its_own():
    members = {"throttle_scope": "uploads", "throttle_classes": [ScopedRateThrottle]}

    assert type("UploadView", (ApiView,), members).as_view()
