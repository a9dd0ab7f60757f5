"""A recovery in parallel to the use of a link: real threads, each with connections of its own."""

from datetime import timedelta
from functools import partial

import pytest
from rest_framework.test import APIClient

from accounts.models import Mailbox, OneTimeToken, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, events, problems
from accounts.tests.factories import PASSWORD, UserFactory
from core.outbox import services as outbox
from core.tests.parallel import together

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10  # raise it to look for rare failures
HOUR = timedelta(hours=1)
THIEF = "thief@example.com"


@pytest.fixture
def victim(log_in):
    """Create a caller with a pending address, and the link to verify it."""

    def prepare():
        user = UserFactory(pending_email=THIEF)
        return log_in(user), issue_token(user, OneTimeToken.Purpose.EMAIL_PROOF, THIEF, HOUR)

    return prepare


def post(path, **body):
    return APIClient().post(f"{API}/auth/{path}", body)


def reset(caller):
    token = issue_token(caller.user, OneTimeToken.Purpose.PASSWORD_RESET, caller.user.email, HOUR)
    return partial(post, "reset-password", token=token, password=NEW_PASSWORD)


def change(caller):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    return partial(caller.post, f"{API}/auth/change-password", body)


def log_out_everywhere(caller):
    return partial(caller.post, f"{API}/auth/logout-all")


@pytest.mark.parametrize(
    "recovery", [reset, change, log_out_everywhere], ids=lambda recovery: recovery.__name__
)
def test_a_verification_never_succeeds_after_a_recovery(victim, recovery):
    for _ in range(ROUNDS):
        caller, link = victim()
        before = len(events())

        verified, recovered = together(partial(post, "verify-email", token=link), recovery(caller))

        user = User.objects.get(pk=caller.user.pk)
        assert user.pending_email is None
        happened = [
            event for event in events()[before:] if event.startswith(("email.v", "password.", "session.all"))
        ]
        if verified.status_code == 204:
            assert user.email == THIEF
            assert happened[0] == "email.verified"
            # A reset link to the former address is void by then.
            assert recovered.status_code == (400 if recovery is reset else 204)
        else:
            assert problems(verified) == [("token", "invalid_token")]
            assert recovered.status_code == 204
            assert user.email == caller.user.email
        user.soft_delete()


@pytest.mark.parametrize("door", [reset, change, log_out_everywhere], ids=lambda door: door.__name__)
def test_a_change_requested_during_a_recovery_is_cancelled_or_refused(log_in, door):
    for _ in range(ROUNDS):
        caller, thief = (log_in(user) for user in [UserFactory()] * 2)
        body = {"email": THIEF, "currentPassword": PASSWORD}

        changed, recovered = together(partial(thief.patch, f"{API}/users/me", body), door(caller))

        assert recovered.status_code == 204
        # 400: the password is no longer the current one; 401: the session ended while it was checked.
        assert changed.status_code in {200, 400, 401}
        assert User.objects.get(pk=caller.user.pk).pending_email is None


def test_two_parallel_undo_links_restore_the_older_address(log_in):
    for number in range(ROUNDS):
        user = UserFactory(email=f"last{number}@example.com")
        now = user.created_at
        purpose = OneTimeToken.Purpose.EMAIL_UNDO
        older = issue_token(user, purpose, f"first{number}@example.com", HOUR, created_at=now)
        newer = issue_token(user, purpose, f"second{number}@example.com", HOUR, created_at=now + HOUR)

        responses = together(
            partial(post, "undo-email-change", token=older), partial(post, "undo-email-change", token=newer)
        )

        assert responses[0].status_code == 204
        assert responses[1].status_code in {204, 400}
        assert User.objects.get(pk=user.pk).email == f"first{number}@example.com"


def test_a_link_emailed_during_a_recovery_is_void(log_in, settings, mailoutbox):
    for _ in range(ROUNDS):
        caller = log_in(UserFactory())
        APIClient().post(f"{API}/auth/forgot-password", {"email": caller.user.email})
        caller.patch(f"{API}/users/me", {"email": THIEF, "currentPassword": PASSWORD})

        together(partial(caller.post, f"{API}/auth/logout-all"), outbox.drain)

        assert not caller.user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.PASSWORD_RESET).exists()
        assert not caller.user.one_time_tokens.filter(email=THIEF).exists()
        Mailbox.objects.all().delete()
