"""`python -m benchmarks.seed`: the rows that services would make, in any number, and no others when run again."""

from io import StringIO

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from benchmarks.seed import Command
from benchmarks.seeding import load_rows
from core.audit.models import AuditEvent
from core.outbox.models import OutboxMessage
from resources.models import Resource, ResourceTag, Tag
from resources.services import create_resource
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

PASSWORD = "Seeded-passw0rd"
GENERATED = {"id", "user_id", "created_at", "updated_at"}


def seed(*arguments, password=PASSWORD):
    out = StringIO()
    call_command(Command(), *arguments, f"--password={password}", stdout=out)
    return out.getvalue()


def columns(row, *, without=frozenset()):
    names = {field.attname for field in row._meta.concrete_fields} - without
    return {name: getattr(row, name) for name in names}


def texts():
    """Return what does not depend on the keys that a database generates."""
    rows = Resource.objects.order_by("user__email", "created_at").with_tags()
    return [
        (row.user.email, row.title, row.content, row.status, row.created_at, row.tag_list) for row in rows
    ]


def test_makes_users_resources_and_tags():
    output = seed("--users=3", "--resources=4")

    assert sorted(User.objects.values_list("email", flat=True)) == [
        f"seed000{number}@example.com" for number in (1, 2, 3)
    ]
    assert "3 users and 12 resources" in output
    assert Resource.objects.count() == 12
    assert ResourceTag.objects.count() == 24
    assert all(row.links.count() == 2 for row in Resource.objects.all())


def test_each_row_is_as_the_service_would_have_made_it(owner):
    seed("--users=1", "--resources=30", "--tags=3")
    for row in Resource.objects.all().with_tags():
        other = create_resource(
            user=owner.user,
            tags=row.tag_list,
            **{name: getattr(row, name) for name in ("title", "content", "status", "created_at")},
        )
        stored = Resource.objects.get(pk=other.pk)
        assert columns(row, without={"id", "user_id"}) == columns(stored, without={"id", "user_id"})
        assert row.id.version == other.id.version == 7
        assert list(row.links.values_list("position", "tag__name")) == list(
            other.links.values_list("position", "tag__name")
        )
    [mine, seeded] = [
        Tag.objects.filter(user=user).order_by("name")
        for user in (owner.user, User.objects.get(email__startswith="seed"))
    ]
    assert [columns(tag, without=GENERATED) for tag in mine] == [
        columns(tag, without=GENERATED) for tag in seeded
    ]


def test_keys_are_in_the_order_of_time():
    seed("--users=1", "--resources=20")

    assert list(Resource.objects.order_by("id")) == list(Resource.objects.order_by("created_at"))


def test_every_user_logs_in_with_the_password(anonymous):
    seed("--users=2", "--resources=0")
    for email in ("seed0001@example.com", "seed0002@example.com"):
        response = anonymous.post("/api/v1/auth/login", {"email": email, "password": PASSWORD})
        assert response.status_code == 200
        assert response.json()["data"]["user"]["emailVerified"] is True


def test_a_second_run_adds_nothing():
    seed("--users=2", "--resources=3", "--heavy=5")
    before = texts(), Tag.objects.count(), ResourceTag.objects.count()

    assert "0 users and 0 resources" in seed("--users=2", "--resources=3", "--heavy=5")
    assert (texts(), Tag.objects.count(), ResourceTag.objects.count()) == before


def test_a_larger_run_adds_what_is_missing():
    seed("--users=1", "--resources=3")
    few = texts()
    Resource.objects.earliest("created_at").delete()

    assert "1 users and 8 resources" in seed("--users=2", "--resources=5")
    assert set(map(str, few)) < set(map(str, texts()))


def test_another_seed_writes_other_texts_but_no_more_rows():
    seed("--users=1", "--resources=3")

    assert "0 resources" in seed("--users=1", "--resources=3", "--seed=2")


@pytest.mark.parametrize(("number", "same"), [(1, True), (2, False)])
def test_the_texts_follow_from_the_seed(number, same):
    seed("--users=2", "--resources=3")
    first = texts()
    User.objects.all().delete()
    seed("--users=2", "--resources=3", f"--seed={number}")

    assert (texts() == first) is same


def test_who_was_there_keeps_password_and_tags():
    seed("--users=1", "--resources=0")
    user = User.objects.get()
    mine = TagFactory(user=user, name="work")

    assert "their passwords stay" in seed("--users=1", "--resources=40", password="Other-passw0rd")
    user.refresh_from_db()
    assert check_password(PASSWORD, user.password)
    assert mine.links.exists()


def test_one_user_can_have_many():
    seed("--users=1", "--resources=1", "--heavy=2100", "--tags=0")

    assert Resource.objects.filter(user__email="seed-heavy@example.com").count() == 2100
    assert Tag.objects.count() == 0


def test_times_and_states_and_words_vary():
    seed("--users=1", "--resources=200")
    rows = list(Resource.objects.all())

    assert {row.status for row in rows} == set(Resource.Status.values)
    assert len({row.created_at.date() for row in rows}) > 100
    assert 400 < sum(len(row.content) for row in rows) / len(rows) < 600
    assert Resource.objects.all().matching("the").count() > 100
    assert 0 < Resource.objects.all().matching(rows[0].title.split()[-1]).count() < 200


def test_nobody_has_done_anything():
    seed("--users=1", "--resources=2")

    assert not AuditEvent.objects.exists()
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--users=-1", "from 0 to"),
        ("--users=many", "whole number"),
        ("--resources=1.5", "whole number"),
        ("--tags=21", "from 0 to 20"),
        ("--heavy=99999999", "from 0 to"),
        ("--users=1000000", "more than"),
    ],
)
def test_wrong_numbers_are_refused(argument, reason):
    with pytest.raises(CommandError, match=reason):
        seed(argument)
    assert not User.objects.exists()


def test_without_debug_a_password_is_required(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--password"):
        call_command(Command(), stdout=StringIO())
    assert not User.objects.exists()


def test_with_debug_the_password_is_the_demos(settings, anonymous):
    settings.DEBUG = True
    call_command(Command(), "--users=1", "--resources=0", stdout=StringIO())

    assert check_password("Try-it-0ut-now", User.objects.get().password)


@pytest.mark.parametrize("password", ["short", "alllowercase1", "seed0001@Example.com"])
def test_the_rules_for_passwords_hold(password):
    with pytest.raises(CommandError, match="--password"):
        seed("--users=1", password=password)
    assert not User.objects.exists()


def test_rows_are_loaded_as_they_are(owner):
    like = ResourceFactory(user=owner.user, title="Tab\tand \\N and 'quotes' and \n lines", content="☕\\")
    values = columns(like, without={"id"})
    Resource.objects.all().delete()
    load_rows([Resource(**values), Resource(**values)])

    assert [columns(row, without={"id"}) for row in Resource.objects.all()] == [values, values]


def test_loading_nothing_does_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        load_rows([])


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_the_planner_knows_the_new_size():
    seed("--users=1", "--resources=50")
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'resources_resource'")
        assert cursor.fetchone()[0] >= 50


def test_search_finds_its_users():
    seed("--users=1", "--resources=0")
    user = User.objects.get()

    assert list(User.objects.all().matching(user.name.upper())) == [user]
