"""A mailbox gets at most five emails with a link in an hour, of all accounts together; four of them may be
verifications. Notices to an unverified address have a limit of five of their own."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Mailbox
from accounts.tests.checks import API, NEW_PASSWORD, log_in_with
from accounts.tests.factories import PASSWORD, UserFactory
from core.db.retention import purge
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

VICTIM = "victim@example.com"
ME = f"{API}/users/me"


@pytest.fixture
def name_by(log_in):
    """Return a function by which a new account changes its address to the victim's."""

    def pend():
        caller = log_in(UserFactory())
        caller.patch(ME, {"email": VICTIM, "currentPassword": PASSWORD})
        return caller

    return pend


def to_victim(messages):
    return [mail for mail in messages if mail.to == [VICTIM]]


def test_seven_accounts_with_one_address_send_four_emails(name_by, deliver):
    for _ in range(7):
        name_by()

    assert len(to_victim(deliver())) == 4


def test_a_change_that_is_cancelled_and_requested_again_counts(name_by, deliver):
    caller, messages = name_by(), []
    for _ in range(7):
        messages += deliver()
        caller.patch(ME, {"email": caller.user.email})
        caller.patch(ME, {"email": VICTIM, "currentPassword": PASSWORD})

    assert len(to_victim(messages + deliver())) == 4


def test_deleting_the_account_and_registering_again_does_not_reset_the_limit(anonymous, deliver):
    messages = []
    body = {"email": VICTIM, "password": PASSWORD, "name": "Some Body"}
    for _ in range(7):
        token = anonymous.post(f"{API}/auth/register", body).json()["data"]["tokens"]["accessToken"]
        messages += deliver()
        headers = {"Authorization": f"Bearer {token}"}
        anonymous.delete(ME, {"currentPassword": PASSWORD}, headers=headers)

    # Verifications, and the notices that confirm the deletions, each up to their limit.
    subjects = Counter(message.subject for message in to_victim(messages))
    assert subjects == {"Confirm your email address": 4, "Your account was deleted": 5}


def test_all_kinds_count_together(name_by, anonymous, log_in, deliver):
    victim = log_in(UserFactory(email=VICTIM))
    name_by()  # refused: the address is taken
    for _ in range(3):
        anonymous.post(f"{API}/auth/forgot-password", {"email": "VICTIM@example.com "})
        victim.post(f"{API}/auth/resend-verification")

    assert len(to_victim(deliver())) == 5


def test_the_response_does_not_reveal_the_limit(anonymous, deliver):
    UserFactory(email=VICTIM)

    def send():
        response = anonymous.post(
            f"{API}/auth/forgot-password", {"email": VICTIM}, headers={"X-Request-ID": "same"}
        )
        return response.status_code, response.content

    responses = {send() for _ in range(5)}
    deliver()

    assert responses == {send()}
    assert deliver() == []


def test_another_mailbox_has_a_limit_of_its_own(name_by, anonymous, owner, deliver):
    for _ in range(7):
        name_by()
    anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email})

    assert [owner.user.email] in [mail.to for mail in deliver()]


def test_notices_to_a_verified_address_are_not_counted_or_limited(anonymous, log_in, deliver):
    victim = log_in(UserFactory(email=VICTIM, email_verified_at=timezone.now()))
    for _ in range(7):
        anonymous.post(f"{API}/auth/forgot-password", {"email": VICTIM})
    deliver()
    old, new = PASSWORD, NEW_PASSWORD
    for _ in range(6):
        body = {"currentPassword": old, "newPassword": new}
        assert victim.post(f"{API}/auth/change-password", body).status_code == 204
        old, new = new, old

    assert [mail.subject for mail in to_victim(deliver())] == ["Your password was changed"] * 6


def test_a_notice_to_a_verified_address_does_not_count_against_links(log_in, deliver):
    victim = log_in(UserFactory(email=VICTIM, email_verified_at=timezone.now()))
    log_in_with(VICTIM, headers={"User-Agent": "curl/8"})
    victim.patch(ME, {"email": "other@example.com", "currentPassword": PASSWORD})
    deliver()

    assert Mailbox.objects.count() == 1  # that of other@example.com


def test_a_pending_address_of_another_account_gets_no_verification(name_by, anonymous, deliver):
    """The reset link must reach the address's owner, however many emails the other account requests."""
    caller = name_by()
    UserFactory(email=VICTIM, email_verified_at=timezone.now())
    for _ in range(6):
        assert caller.post(f"{API}/auth/resend-verification").status_code == 202
    assert to_victim(deliver()) == []

    for _ in range(5):
        anonymous.post(f"{API}/auth/forgot-password", {"email": VICTIM})
    assert [mail.subject for mail in to_victim(deliver())] == ["Reset your password"] * 5


def test_verifications_leave_one_email_for_a_reset(name_by, anonymous, deliver):
    for _ in range(7):
        name_by()
    deliver()
    UserFactory(email=VICTIM)
    anonymous.post(f"{API}/auth/forgot-password", {"email": VICTIM})

    assert [mail.subject for mail in deliver()] == ["Reset your password"]


def test_an_unverified_address_gets_five_notices_an_hour(clock, log_in, deliver):
    user = UserFactory(email=VICTIM)

    def cause_notice():
        caller = log_in(user)
        for number in range(4):
            body = {"email": f"n{number}@example.com", "currentPassword": PASSWORD}
            assert caller.patch(ME, body).status_code == 200
            log_in_with(VICTIM, headers={"User-Agent": f"client{number}/1"})
        return len(to_victim(deliver()))

    assert (cause_notice(), cause_notice()) == (5, 0)
    clock.shift(timedelta(hours=1, seconds=1))
    assert cause_notice() > 0


def test_notices_and_links_to_one_address_are_counted_apart(anonymous, log_in, deliver):
    caller = log_in(UserFactory(email=VICTIM))
    for number in range(7):
        caller.patch(ME, {"email": f"n{number}@example.com", "currentPassword": PASSWORD})
    deliver()
    anonymous.post(f"{API}/auth/forgot-password", {"email": VICTIM})

    assert [mail.subject for mail in deliver()] == ["Reset your password"]


def test_the_row_has_no_address_and_is_purged_after_a_day(clock, name_by, deliver):
    name_by()
    deliver()
    assert VICTIM not in str(list(Mailbox.objects.values()))

    clock.shift(timedelta(days=1, seconds=1))
    purge("mailboxes")
    assert not Mailbox.objects.exists()


def test_a_new_secret_key_does_not_reset_the_limit(anonymous, deliver, settings):
    UserFactory(email=VICTIM)
    old, new = settings.SECRET_KEY, "x" * 60
    messages = []
    for key, other in [(old, new), (new, old)] * 4:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, [other]
        anonymous.post(f"{API}/auth/forgot-password", {"email": VICTIM})
        messages += deliver()

    assert len(to_victim(messages)) == 5


@pytest.mark.django_db(transaction=True)
def test_parallel_workers_send_four_verifications_to_one_mailbox(mailoutbox):
    for _ in range(20):
        payload = {"user": str(UserFactory(pending_email=VICTIM).pk), "email": VICTIM}
        OutboxMessage.objects.create(kind="accounts.email_proof", payload=payload)

    together(*[outbox.drain] * 8)

    assert OutboxMessage.objects.filter(status="done").count() == 20
    assert len(mailoutbox) == 4
