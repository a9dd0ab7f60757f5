"""The search in the header of the admin: an id, an address or a request id, in every list that the user may view."""

import pytest

from accounts.models import Session, User
from accounts.services.accounts import delete_account
from accounts.tests.factories import SessionFactory, UserFactory
from config.tests.office import registered, rows_of_all
from core.audit.models import AuditEvent
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.tests.factories import AuditEventFactory, JobFactory, OutboxMessageFactory
from core.tests.office import allow, browser_of, queries_of, url_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

URL = "/admin/search/"


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def search(browser, term):
    """Return {model: rows} of the page."""
    response = browser.get(URL, {"q": term})
    assert response.status_code == 200
    results = [result.row for kind in response.context["kinds"] for result in kind.rows]
    return {type(row): [each for each in results if type(each) is type(row)] for row in results}


def test_every_page_has_the_search(browser):
    for path in ("/admin/", url_of(User), url_of(browser.user, "change"), URL):
        assert 'action="/admin/search/"' in browser.get(path).content.decode()


def test_the_log_in_page_has_none(client):
    assert b"/admin/search/" not in client.get("/admin/login/").content


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_a_row_of_every_list_is_found_by_its_id(browser, owner, model):
    row = rows_of_all(owner.user)[model]
    keys_are_numbers = isinstance(row.pk, int)

    assert (row in search(browser, str(row.pk)).get(model, [])) is not keys_are_numbers


@pytest.mark.parametrize("term", ["ann@example.com", " ANN@Example.com "])
def test_an_address_finds_the_person_with_everything(browser, term):
    user = UserFactory(email="ann@example.com")
    session, job = SessionFactory(user=user), JobFactory(user=user)
    event = AuditEventFactory(subject_id=user.pk)
    messages = [
        OutboxMessageFactory(payload={"email": "ann@example.com"}),
        OutboxMessageFactory(payload={"user": str(user.pk)}),
    ]
    UserFactory(email="joann@example.com")
    found = search(browser, term)

    assert found[User] == [user]
    assert (found[Session], found[Job], found[AuditEvent]) == ([session], [job], [event])
    assert set(found[OutboxMessage]) == set(messages)


def test_an_address_finds_deleted_accounts_too(browser, admin):
    gone = UserFactory(email="ann@example.com")
    job = JobFactory(user=gone)
    delete_account(user=gone, actor=admin.user)
    new = UserFactory(email="ann@example.com")

    found = search(browser, "ann@example.com")
    assert (set(found[User]), found[Job]) == ({gone, new}, [job])


def test_a_request_id_finds_what_the_request_has_caused(browser, owner):
    job, message = JobFactory(request_id="asked-1"), OutboxMessageFactory(request_id="asked-1")
    event = AuditEventFactory(
        request_id="asked-1", target_type="accounts.user", target_id=owner.user.pk, subject_id=owner.user.pk
    )
    JobFactory(request_id="asked-2")
    found = search(browser, "asked-1")

    assert found == {User: [owner.user], Job: [job], OutboxMessage: [message], AuditEvent: [event]}


def test_results_lead_to_the_page_and_to_the_list(browser, owner):
    page = browser.get(URL, {"q": owner.user.email}).content.decode()

    assert f'href="{url_of(owner.user, "change")}"' in page
    assert f'href="{url_of(User)}?q={owner.user.email.replace("@", "%40")}"' in page


def test_staff_find_what_they_may_view(staff, owner):
    JobFactory(user=owner.user)
    assert search(browser_of(staff.user), owner.user.email) == {}
    allow(staff.user, "accounts.view_session")
    browser = browser_of(User.objects.get(pk=staff.user.pk))

    assert list(search(browser, owner.user.email)) == [Session]


def test_a_user_finds_nothing(owner):
    assert browser_of(owner.user).get(URL, {"q": "x"}).url.startswith("/admin/login/")


def test_at_most_ten_of_a_kind_are_shown_newest_first(browser, owner):
    made = [AuditEventFactory(actor_id=owner.user.pk) for _ in range(12)]

    assert search(browser, str(owner.user.pk))[AuditEvent] == made[:1:-1]


def test_a_search_without_results_leads_to_the_lists(browser):
    response = browser.get(URL, {"q": "nothing"})

    assert response.context["kinds"] == []
    assert f"{url_of(User)}?q=nothing" in response.content.decode()


@pytest.mark.parametrize("term", ["x" * 201, "e" + "\u0301" * 40])
def test_a_search_that_is_too_long_shows_why(browser, term):
    assert b"at most 200 characters" in browser.get(URL, {"q": term}).content


@pytest.mark.parametrize("term", ["", "@", "a@", "<script>alert(1)</script>", "' OR 1=1", "%00", "\u202e@x"])
def test_no_text_makes_it_fail(browser, term):
    response = browser.get(URL, {"q": term})

    assert response.status_code == 200
    assert b"<script>alert(1)" not in response.content


def test_the_number_of_queries_does_not_grow(browser, owner):
    few = queries_of(browser, f"{URL}?q={owner.user.pk}")
    JobFactory.create_batch(5, user=owner.user)
    SessionFactory.create_batch(5, user=owner.user)

    assert queries_of(browser, f"{URL}?q={owner.user.pk}") == few
