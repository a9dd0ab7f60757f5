"""Reads kept in Redis: never older than what their reader has written, never anybody else's."""

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.db.redis_client import shared_link
from core.tests.links import forget_link
from core.tests.parallel import together
from core.web import metrics
from resources.models import Resource
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),  # the revision moves with the commit
    pytest.mark.skipif(not configured.REDIS_URL, reason="of Redis"),
]
LIST = "/api/v1/resources"


@pytest.fixture(autouse=True)
def _kept(settings):
    settings.READ_CACHE_SECONDS = 60
    settings.REDIS_TIMEOUT = 5
    forget_link()
    yield
    shared_link().forget("read:*")
    forget_link()


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="First", tags=["a", "b"])


def queries_of(caller, path, **headers):
    with CaptureQueriesContext(connection) as queries:
        answer = caller.get(path, **headers)
    return len(queries), answer


def hot(caller, path):
    """The answer that is kept: the third time nobody asks the database for the rows."""
    first, _second = caller.get(path), caller.get(path)
    asked, third = queries_of(caller, path)
    assert asked == 1  # the session
    assert third.content == first.content
    return third


PATHS = [LIST, f"{LIST}?search=first&sort=title", f"{LIST}?cursor=", f"{LIST}/trash", "/api/v1/tags"]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_asked_again_is_kept(owner, resource, path):
    first = owner.get(path)
    again = hot(owner, path)

    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == first["Cache-Control"]
    assert again["RateLimit-Remaining"] < first["RateLimit-Remaining"]


def test_single_objects_too(owner, resource):
    path = f"{LIST}/{resource.pk}"
    kept = hot(owner, path)

    assert kept["ETag"] == owner.get(path)["ETag"]
    assert owner.get(path, HTTP_IF_NONE_MATCH=kept["ETag"]).status_code == 304


def test_a_part_is_kept_apart_from_the_whole(owner, resource):
    path = f"{LIST}/{resource.pk}"
    whole, part = hot(owner, path), hot(owner, f"{path}?fields=title")

    assert part.json()["data"] == {"id": str(resource.pk), "title": "First"}
    assert owner.get(path).content == whole.content
    assert owner.get(f"{path}?fields=nope").status_code == 400


def test_once_is_not_enough(owner, resource):
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
def test_every_write_is_seen(owner, resource, write):
    before = {path: hot(owner, path).content for path in (LIST, f"{LIST}/{resource.pk}")}
    write(owner, resource)
    after = {path: owner.get(path).content for path in before}

    assert after[LIST] != before[LIST]
    assert owner.get(LIST).content == owner.get(LIST).content == after[LIST]
    one = owner.get(f"{LIST}/{resource.pk}").json()["data"]
    assert one == {**owner.get(LIST).json()["data"][-1], **one}


def test_nobody_is_given_another_s(owner, stranger, resource):
    mine = hot(owner, LIST)
    hot(owner, f"{LIST}/{resource.pk}")

    assert stranger.get(LIST).json()["data"] == []
    assert stranger.get(f"{LIST}/{resource.pk}").status_code == 404
    assert hot(stranger, LIST).content != mine.content


def test_an_admin_s_look_at_others_is_not_kept(admin, owner, resource):
    """What they own does not move the admin's revision."""
    for path, read in (
        (f"{LIST}/{resource.pk}", lambda answer: answer.json()["data"]["title"]),
        (f"{LIST}?scope=all", lambda answer: answer.json()["data"][0]["title"]),
    ):
        for title in ("Second", "Third"):
            admin.get(path), admin.get(path), admin.get(path)
            assert owner.patch(f"{LIST}/{resource.pk}", {"title": title}).status_code == 200
            assert read(admin.get(path)) == title


def test_addresses_that_run_out_are_not_kept(owner, resource):
    AttachmentFactory(resource=resource)
    path = f"{LIST}/{resource.pk}"
    owner.get(path), owner.get(path)

    assert queries_of(owner, path)[0] > 1


def test_whoever_was_logged_out_is_given_nothing(owner, resource):
    hot(owner, LIST)
    owner.post("/api/v1/auth/logout")

    assert owner.get(LIST).status_code == 401


def test_past_the_limit_nothing_is_given(owner, resource, rates):
    hot(owner, LIST)
    rates(user=1)

    assert owner.get(LIST).status_code == 429


@pytest.mark.parametrize("path", [f"{LIST}?sort=nonsense", f"{LIST}?scope=nonsense", f"{LIST}?limit=0"])
def test_refusals_are_not_kept(owner, path):
    for _ in range(3):
        assert owner.get(path).status_code == 400


def test_whoever_holds_the_list_is_not_sent_it(owner, resource):
    kept = hot(owner, LIST)

    assert owner.get(LIST, HTTP_IF_NONE_MATCH=kept["ETag"]).status_code == 304
    assert owner.get(LIST, HTTP_IF_NONE_MATCH='"r0-other"').content == kept.content


def test_a_setting_turns_it_off(owner, resource, settings):
    settings.READ_CACHE_SECONDS = 0
    for _ in range(3):
        owner.get(LIST)

    assert queries_of(owner, LIST)[0] > 1
    assert not shared_link().call("KEYS", "read:*")


def test_it_runs_out(owner, resource):
    hot(owner, LIST)
    (key,) = shared_link().call("KEYS", "read:*")

    assert 0 < shared_link().call("TTL", key) <= 60


def test_what_is_too_long_is_not_kept(owner, resource, monkeypatch):
    monkeypatch.setattr("core.api.cache.MOST_BYTES", 100)
    owner.get(LIST), owner.get(LIST)

    assert queries_of(owner, LIST)[0] > 1


def test_hits_and_misses_are_counted(owner, resource):
    def counted():
        return [metrics.kept_reads_total.labels(outcome)._value.get() for outcome in ("hit", "miss")]

    hits, misses = counted()
    for _ in range(5):
        owner.get(LIST)

    assert counted() == [hits + 3, misses + 2]


def test_readers_beside_a_writer_never_see_less_than_is_written(owner, resource, log_in):
    """Eight readers and a writer of one list: whoever begins after a write is shown it."""
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


def test_the_first_who_comes_finds_it_warm(owner, resource, capsys):
    call_command("warm_cache")

    for path in (LIST, f"{LIST}/trash", "/api/v1/tags"):
        assert queries_of(owner, path)[0] == 1
    assert owner.get(LIST).json()["data"][0]["title"] == "First"
    assert "Kept 3 lists" in capsys.readouterr().out


def test_what_is_warm_is_what_would_be_answered(owner, resource):
    path = f"{LIST}?limit=5&sort=title"
    cold = owner.get(path).content
    shared_link().forget("read:*")
    call_command("warm_cache", "--path", path)
    asked, warm = queries_of(owner, path)

    assert (asked, warm.content) == (1, cold)


def test_those_who_were_here_last_come_first(owner, stranger, resource):
    call_command("warm_cache", "--users", "1")

    assert queries_of(stranger, LIST)[0] == 1  # logged in after the owner
    assert queries_of(owner, LIST)[0] > 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--users", "0"], "--users"),
        (["--path", "/api/v1/nothing"], "/api/v1/resources"),
        (["--path", "/api/v1/users"], "no list whose answers are kept"),
    ],
)
def test_the_command_says_what_it_does_not_understand(arguments, says):
    with pytest.raises(CommandError, match=says):
        call_command("warm_cache", *arguments)


def test_the_command_says_that_nothing_is_kept(settings):
    settings.READ_CACHE_SECONDS = 0
    with pytest.raises(CommandError, match="READ_CACHE_SECONDS"):
        call_command("warm_cache")


def test_a_wrong_query_is_told(owner, capsys):
    call_command("warm_cache", "--path", f"{LIST}?limit=0")

    assert "1 were refused" in capsys.readouterr().err
