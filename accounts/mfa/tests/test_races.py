"""Codes used twenty times at once: real threads, each with connections of its own."""

from functools import partial

import pytest
from rest_framework.test import APIClient

from accounts.mfa.services.codes import spend
from accounts.mfa.tests.devices import MFA, start
from accounts.models import Session
from accounts.tests.checks import API
from accounts.tests.factories import PASSWORD
from core.tests.parallel import together

pytestmark = pytest.mark.django_db(transaction=True)

PARALLEL = 20


def log_in_with_code(phone, code):
    body = {"email": phone.user.email, "password": PASSWORD, "code": code}
    return APIClient().post(f"{API}/auth/login", body).status_code


@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_of_twenty_uses_of_one_code_one_wins(phone, kind):
    code = phone.code(1) if kind == "totp" else phone.recovery_codes[0]

    won = together(*[partial(spend, phone.user, code)] * PARALLEL)

    assert won.count(True) == 1


def test_of_twenty_log_ins_with_one_code_one_opens_a_session_and_five_count(phone):
    before = Session.objects.count()

    statuses = together(*[partial(log_in_with_code, phone, phone.code(1))] * PARALLEL)

    # The first opens a session. Five others count and lock the account, which the rest are told.
    assert (statuses.count(200), statuses.count(401), statuses.count(423)) == (1, 5, 14)
    assert Session.objects.count() == before + 1


def test_of_twenty_wrong_codes_no_more_are_compared_than_lock_the_account(phone):
    statuses = together(*[partial(log_in_with_code, phone, phone.wrong())] * PARALLEL)

    assert (statuses.count(401), statuses.count(423)) == (5, 15)


def test_of_twenty_confirmations_one_returns_recovery_codes(clock, owner):
    phone = start(owner)
    confirm = partial(owner.post, f"{MFA}/totp/confirm", {"code": phone.code()})

    statuses = [response.status_code for response in together(*[confirm] * PARALLEL)]

    assert (statuses.count(200), statuses.count(409)) == (1, 19)
