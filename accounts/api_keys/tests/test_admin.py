import pytest

from accounts.tests.checks import event, refusal
from accounts.tests.factories import ApiKeyFactory
from core.tests.office import act, allow, browser_of, queries_of, url_of

pytestmark = pytest.mark.django_db

ME = "/api/v1/users/me"


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_staff_revoke_the_key_of_a_user_at_once(staff, owner, key_of):
    program = key_of(owner.user)
    support = browser_of(
        allow(staff.user, "accounts_api_keys.view_apikey", "accounts_api_keys.change_apikey")
    )

    act(support, "revoke", program.key)

    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")
    assert (event("api_key.revoked").actor_id, event("api_key.revoked").subject_id) == (
        staff.user.pk,
        owner.user.pk,
    )


def test_the_view_permission_alone_revokes_no_key(staff, owner, key_of):
    program = key_of(owner.user)

    act(browser_of(allow(staff.user, "accounts_api_keys.view_apikey")), "revoke", program.key)

    assert program.get(ME).status_code == 200


def test_a_key_is_shown_read_only_without_its_hash(browser, key_of, owner):
    key = key_of(owner.user).key

    page = browser.get(url_of(key, "change")).content.decode()

    assert key.prefix in page
    assert key.key_hash not in page
    assert browser.post(url_of(key, "change"), {"name": "x"}).status_code == 403
    assert browser.get(url_of(key, "add")).status_code == 403


def test_the_number_of_queries_of_the_list_does_not_grow(browser):
    key = ApiKeyFactory()
    few = queries_of(browser, url_of(type(key)))
    ApiKeyFactory.create_batch(5)

    assert queries_of(browser, url_of(type(key))) == few
