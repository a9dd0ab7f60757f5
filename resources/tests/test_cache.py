"""Cached responses: never older than what their reader has written, never those of another user."""

import pytest
from django.conf import settings as configured
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from core.devpages import records
from core.tests.links import use_redis, with_long_timeout
from core.tests.parallel import together
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),  # the version is replaced with the commit
    pytest.mark.skipif(not configured.REDIS_URL, reason="of Redis"),
]
LIST = "/api/v1/resources"


@pytest.fixture(autouse=True)
def _cached(settings):
    settings.RESPONSE_CACHE_SECONDS = 60
    use_redis(settings, with_long_timeout(settings.REDIS_URL))
    yield
    clear()


def clear():
    caches["responses"].delete_pattern("*")


def keys():
    return caches["responses"].keys("*")


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="First", tags=["a", "b"])


def queries_of(caller, path, **headers):
    with CaptureQueriesContext(connection) as queries:
        response = caller.get(path, **headers)
    return len(queries), response


def hot(caller, path):
    """Return the cached response: for the third one the rows are not read."""
    first, _second = caller.get(path), caller.get(path)
    number, third = queries_of(caller, path)
    assert number == 1  # the session
    assert third.content == first.content
    return third


PATHS = [LIST, f"{LIST}?search=first&sort=title", f"{LIST}?cursor=", "/api/v1/tags"]


@pytest.mark.parametrize("path", PATHS)
def test_a_repeated_request_is_cached(owner, resource, path):
    first = owner.get(path)
    again = hot(owner, path)

    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == first["Cache-Control"]
    assert again["RateLimit-Remaining"] < first["RateLimit-Remaining"]


def test_a_single_request_is_not_cached(owner, resource):
    owner.get(LIST)

    assert queries_of(owner, LIST)[0] > 1


@pytest.mark.parametrize(
    "write",
    [
        lambda caller, one: caller.post(LIST, {"title": "Second"}),
        lambda caller, one: caller.patch(f"{LIST}/{one.pk}", {"title": "Changed"}),
        lambda caller, one: caller.patch(f"{LIST}/{one.pk}", {"tags": ["c"]}),
        lambda caller, one: caller.patch(f"/api/v1/tags/{one.tags.first().pk}", {"name": "renamed"}),
        lambda caller, one: Resource.objects.filter(pk=one.pk).update(title="By hand"),
    ],
    ids=["create", "change", "retag", "rename a tag", "SQL"],
)
def test_a_read_after_any_write_shows_it(owner, resource, write):
    before = hot(owner, LIST).content
    write(owner, resource)
    after = owner.get(LIST).content

    assert after != before
    assert owner.get(LIST).content == owner.get(LIST).content == after


def test_no_caller_gets_the_response_of_another(owner, stranger, resource):
    mine = hot(owner, LIST)

    assert stranger.get(LIST).json()["data"] == []
    assert hot(stranger, LIST).content != mine.content


def test_an_admins_list_of_everybody_is_not_cached(admin, owner, resource):
    """The resources of others do not change the admin's version."""
    for title in ("Second", "Third"):
        for _ in range(3):
            admin.get(f"{LIST}?scope=all")
        assert owner.patch(f"{LIST}/{resource.pk}", {"title": title}).status_code == 200
        assert admin.get(f"{LIST}?scope=all").json()["data"][0]["title"] == title


def test_a_cached_response_is_a_401_after_logout(owner, resource):
    hot(owner, LIST)
    owner.post("/api/v1/auth/logout")

    assert owner.get(LIST).status_code == 401


def test_a_cached_response_is_a_429_over_the_rate_limit(owner, resource, rates):
    hot(owner, LIST)
    rates(user=1)

    assert owner.get(LIST).status_code == 429


@pytest.mark.parametrize("path", [f"{LIST}?sort=nonsense", f"{LIST}?scope=nonsense", f"{LIST}?limit=0"])
def test_refusals_are_not_cached(owner, path):
    for _ in range(3):
        assert owner.get(path).status_code == 400


def test_a_client_with_the_current_etag_gets_304(owner, resource):
    cached = hot(owner, LIST)

    assert owner.get(LIST, HTTP_IF_NONE_MATCH=cached["ETag"]).status_code == 304
    assert owner.get(LIST, HTTP_IF_NONE_MATCH='"other"').content == cached.content


def test_a_setting_disables_it(owner, resource, settings):
    settings.RESPONSE_CACHE_SECONDS = 0
    for _ in range(3):
        owner.get(LIST)

    assert queries_of(owner, LIST)[0] > 1
    assert keys() == []


def test_a_cached_response_expires(owner, resource):
    hot(owner, LIST)
    (key,) = keys()

    assert 0 < caches["responses"].ttl(key) <= 60


def test_a_large_response_is_not_cached(owner, resource, monkeypatch):
    monkeypatch.setattr("core.api.cache.MAX_BYTES", 100)
    owner.get(LIST), owner.get(LIST)

    assert queries_of(owner, LIST)[0] > 1


def value(outcome):
    return REGISTRY.get_sample_value("cached_responses_total", {"outcome": outcome})


def test_hits_and_misses_are_counted(owner, resource):
    def counted():
        return [value(outcome) for outcome in ("hit", "miss")]

    hits, misses = counted()
    for _ in range(5):
        owner.get(LIST)

    assert counted() == [hits + 3, misses + 2]


def test_a_read_after_a_concurrent_write_shows_it(owner, resource, log_in):
    """Eight readers and a writer of one list: a request that begins after a write shows it."""
    written = [0]

    def write():
        for number in range(1, 30):
            Resource.objects.filter(pk=resource.pk).update(title=f"{number:04}")
            written[0] = number

    def read():
        caller = log_in(owner.user)
        for _ in range(30):
            least = written[0]
            title = caller.get(LIST).json()["data"][0]["title"]
            assert int(title if title.isdecimal() else 0) >= least

    together(write, *[read] * 8)


# --- the command ----------------------------------------------------------------------------------


def test_the_first_request_is_cached(owner, resource, capsys):
    call_command("warm_cache")

    for path in (LIST, "/api/v1/tags"):
        assert queries_of(owner, path)[0] == 1
    assert owner.get(LIST).json()["data"][0]["title"] == "First"
    assert "Cached 2 lists" in capsys.readouterr().out


def test_warming_caches_the_same_response_as_a_request(owner, resource):
    path = f"{LIST}?limit=5&sort=title"
    cold = owner.get(path).content
    clear()
    call_command("warm_cache", "--path", path)
    number, warm = queries_of(owner, path)

    assert (number, warm.content) == (1, cold)


def test_the_most_recent_users_are_warmed_first(owner, stranger, resource):
    call_command("warm_cache", "--users", "1")

    assert queries_of(stranger, LIST)[0] == 1  # logged in after the owner
    assert queries_of(owner, LIST)[0] > 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--users", "0"], "--users"),
        (["--path", "/api/v1/nothing"], "/api/v1/resources"),
        (["--path", "/api/v1/users"], "no list whose responses are cached"),
    ],
)
def test_the_command_names_the_argument_that_is_wrong(arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("warm_cache", *arguments)


def test_the_command_fails_if_the_cache_is_disabled(settings):
    settings.RESPONSE_CACHE_SECONDS = 0
    with pytest.raises(CommandError, match="RESPONSE_CACHE_SECONDS"):
        call_command("warm_cache")


def test_a_wrong_query_is_reported(owner, capsys):
    call_command("warm_cache", "--path", f"{LIST}?limit=0")

    assert "1 were refused" in capsys.readouterr().err


@pytest.fixture
def _recorded(settings):
    settings.DEBUG = True
    records.path().unlink(missing_ok=True)  # those of other tests with DEBUG
    yield
    records.path().unlink()


@pytest.mark.usefixtures("_recorded")
def test_developers_see_whether_a_list_was_cached(owner, resource):
    for _ in range(3):
        owner.get(LIST)
    owner.get(f"{LIST}/{resource.pk}")

    requests = [records.find("request", record.id) for record in records.newest("request")]
    assert [request.details["cache"] for request in requests] == ["", "hit", "miss", "miss"]
