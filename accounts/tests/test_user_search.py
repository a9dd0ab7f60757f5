"""Search among users, whatever the case, the accents or the form of an international domain."""

import pytest
from django.db import connection

from accounts.models import User
from accounts.services.erasure import erase
from accounts.tests.checks import API, data, token_to
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.jobs.models import Job
from core.tests.factories import JobFactory
from core.tests.office import browser_of, queries_of, rows, url_of

pytestmark = pytest.mark.django_db

SEARCHES = [
    ("müller", "Zoë Müller"),
    ("MULLER", "Zoë Müller"),
    ("mu\u0308ller zoe", "Zoë Müller"),
    ("ler@exa", "Zoë Müller"),
    ("bücher.example", "Jürgen Groß"),
    ("BÜCHER", "Jürgen Groß"),
    ("bu\u0308cher", "Jürgen Groß"),
    ("bucher.ex", "Jürgen Groß"),
    ("xn--bcher-kva", "Jürgen Groß"),
    ("jg@bücher.example", "Jürgen Groß"),
    ("gross", "Jürgen Groß"),
    ("ОЛЬГА", "Ольга Ёлкина"),
    ("елкина", "Ольга Ёлкина"),
    ("почта.рф", "Ольга Ёлкина"),
    ("ｏｌｇａ＠", "Ольга Ёлкина"),
    ("100%", "100% Ann_Able"),
    ("n_a", "100% Ann_Able"),
    ("lukasz", "Łukasz Żółć"),
    ("ZOLC", "Łukasz Żółć"),
    ("żółć", "Łukasz Żółć"),
    ("aegir", "Ægir O\N{RIGHT SINGLE QUOTATION MARK}Brien"),
    ("ægir o'brien", "Ægir O\N{RIGHT SINGLE QUOTATION MARK}Brien"),
    ("o\N{RIGHT SINGLE QUOTATION MARK}b", "Ægir O\N{RIGHT SINGLE QUOTATION MARK}Brien"),
]
NOTHING = ["%", "_", "\\", "ller@exam zoe q", "müller jürgen", "\u0301", "' OR 1=1 --"]


@pytest.fixture
def people(db):
    UserFactory(email="miller@example.com", name="Zoë Müller")
    UserFactory(email="jg@xn--bcher-kva.example", name="Jürgen Groß")
    UserFactory(email="olga@xn--80a1acny.xn--p1ai", name="Ольга Ёлкина")
    UserFactory(email="ann@example.org", name="100% Ann_Able")
    UserFactory(email="lz@example.org", name="Łukasz Żółć")
    UserFactory(email="ob@example.org", name="Ægir O\N{RIGHT SINGLE QUOTATION MARK}Brien")


@pytest.mark.parametrize(("text", "name"), SEARCHES)
def test_the_api_returns_the_matching_users(admin, people, text, name):
    assert [row["name"] for row in data(admin.get(f"{API}/users", {"search": text}))] == [name]


@pytest.mark.parametrize(("text", "name"), SEARCHES)
def test_the_admin_lists_the_matching_users(people, text, name):
    browser = browser_of(UserFactory(role="admin", name="Somebody Else"))

    assert [user.name for user in rows(browser.get(url_of(User), {"q": text}))] == [name]


@pytest.mark.parametrize("text", NOTHING)
def test_wildcards_of_sql_are_escaped(admin, people, text):
    matching = {row["name"] for row in data(admin.get(f"{API}/users", {"search": text}))}

    assert matching <= ({"100% Ann_Able"} if text in {"%", "_"} else set())


def test_the_queries_do_not_grow_with_the_words(people):
    browser = browser_of(UserFactory(role="admin"))

    # One word alone may also be the id of a request.
    assert queries_of(browser, f"{url_of(User)}?q=z+o") == queries_of(browser, f"{url_of(User)}?q=z+o+e+m")


# --- updates of the column ------------------------------------------------------------------------


def matching(text):
    return list(User.objects.matching(text).values_list("email", flat=True))


def test_registration_a_new_name_and_a_new_address_update_it(anonymous, admin, deliver):
    body = {"email": "zoe@example.com", "password": PASSWORD, "name": "Zoë One"}
    anonymous.post(f"{API}/auth/register", body)
    assert matching("zoe one") == ["zoe@example.com"]
    user = User.objects.get(email="zoe@example.com")

    admin.patch(f"{API}/users/{user.pk}", {"name": "Ève Two"})
    assert (matching("zoe one"), matching("eve")) == ([], ["zoe@example.com"])

    admin.patch(f"{API}/users/{user.pk}", {"email": "eve@bücher.example"})
    token = token_to("eve@xn--bcher-kva.example", deliver())
    assert anonymous.post(f"{API}/auth/verify-email", {"token": token}).status_code == 204
    assert (matching("zoe"), matching("bücher")) == ([], ["eve@xn--bcher-kva.example"])


def test_saving_other_fields_does_not_change_it(people):
    user = User.objects.only("id", "role").get(name="Zoë Müller")
    user.role = "staff"

    user.save(update_fields=["role"])

    assert matching("müller") == ["miller@example.com"]


def test_an_older_release_without_the_column_can_insert():
    user = UserFactory.build(email="old@example.com")
    fields = [field for field in User._meta.concrete_fields if field.name != "search_text"]
    columns = ", ".join(field.column for field in fields)
    values = [field.get_db_prep_save(getattr(user, field.attname), connection) for field in fields]

    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(fields))
        cursor.execute(f"INSERT INTO accounts_user ({columns}) VALUES ({marks})", values)

    assert User.objects.get().search_text == ""


def test_erasure_clears_it(people):
    user = User.objects.get(name="Jürgen Groß")
    user.soft_delete()

    erase(user=user)

    assert matching("bücher") == matching("groß") == []


def test_the_audit_log_and_jobs_are_searched_by_an_address_in_unicode(people):
    browser = browser_of(UserFactory(role="admin"))
    user = User.objects.get(name="Jürgen Groß")
    event = AuditEvent.objects.create(event="user.updated", actor_id=user.pk, subject_id=user.pk)

    job = JobFactory(user=user)

    assert rows(browser.get(url_of(AuditEvent), {"q": "JG@bücher.example"})) == [event]
    assert rows(browser.get(url_of(Job), {"q": "JG@bücher.example"})) == [job]
