"""`manage.py changepassword`: the command sets a password as staff would set it."""

import getpass
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, access_of, event, log_in_with, problems, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.office import browser_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def typed(monkeypatch):
    """Type passwords at the operator's prompts; each twice."""

    def type_(*texts):
        inputs = [text for text in texts for _ in range(2)]
        monkeypatch.setattr(getpass, "getpass", lambda prompt="": inputs.pop(0))

    return patch_prompt


def test_sets_the_password(type_passwords):
    user = UserFactory()
    type_passwords(NEW_PASSWORD)

    call_command("changepassword", f" {user.email.upper()} ")

    assert log_in_with(user.email, PASSWORD).status_code == 401
    assert log_in_with(user.email, NEW_PASSWORD).status_code == 200


def test_ends_every_session_and_voids_reset_links(type_passwords, owner, anonymous):
    owner.user.role = "staff"
    owner.user.save()
    browser = browser_of(owner.user)
    link = issue_token(owner.user, "password_reset", owner.user.email, timedelta(hours=1))
    type_passwords(NEW_PASSWORD)

    call_command("changepassword", owner.user.email)

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert browser.get("/admin/").status_code == 302
    response = anonymous.post(f"{API}/auth/reset-password", {"token": link, "password": PASSWORD})
    assert problems(response) == [("token", "invalid_token")]


def test_removes_the_lock(type_passwords):
    user = UserFactory()
    for _ in range(5):
        log_in_with(user.email, "Wr0ng-guess")
    type_passwords(NEW_PASSWORD)

    call_command("changepassword", user.email)

    assert log_in_with(user.email, NEW_PASSWORD).status_code == 200


def test_is_emailed_to_the_owner_and_audited(type_passwords, deliver):
    user = UserFactory()
    type_passwords(NEW_PASSWORD)

    call_command("changepassword", user.email)

    [message] = deliver()
    assert message.to == [user.email]
    changed = event("password.changed")
    assert (changed.actor_id, changed.subject_id) == (None, user.pk)


def test_of_a_deleted_and_a_new_account_with_one_address_the_new_one_is_changed(type_passwords):
    gone = UserFactory(email="ann@xn--bcher-kva.example")
    gone.soft_delete()
    user = UserFactory(email=gone.email)
    type_passwords(NEW_PASSWORD)

    call_command("changepassword", "Ann@bücher.example")

    user.refresh_from_db()
    gone.refresh_from_db()
    assert (user.check_password(NEW_PASSWORD), gone.check_password(PASSWORD)) == (True, True)


@pytest.mark.parametrize(
    "weak",
    ["short", "no-digit-Here", "Passw0rd", "A1" + "\u0301" * 40, "A1" * 1000],
    ids=["short", "digit", "common", "marks", "long"],
)
def test_prompts_three_times_for_a_strong_password(typed, weak, capsys):
    user = UserFactory()
    type_passwords(weak, weak, weak)

    with pytest.raises(CommandError, match="No password was set"):
        call_command("changepassword", user.email)
    assert capsys.readouterr().err.count("\npassword: ") == 2
    assert log_in_with(user.email).status_code == 200


def test_a_password_that_is_not_utf8_is_refused(type_passwords):
    user = UserFactory()
    type_passwords("P\udce4ssword-n0w")

    with pytest.raises(CommandError, match=r"^Password: this is not valid UTF-8"):
        call_command("changepassword", user.email)
    assert log_in_with(user.email).status_code == 200


def test_an_address_that_is_not_utf8_is_refused():
    with pytest.raises(CommandError, match=r"^email: this is not valid UTF-8"):
        call_command("changepassword", "r\udce4t@example.com")


def test_prompts_again_after_two_different_passwords(monkeypatch):
    user = UserFactory()
    inputs = [NEW_PASSWORD, PASSWORD, NEW_PASSWORD, NEW_PASSWORD]
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": inputs.pop(0))

    call_command("changepassword", user.email)

    assert log_in_with(user.email, NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_a_cancelled_prompt_changes_nothing(monkeypatch, end):
    user = UserFactory()

    def give_up(prompt=""):
        raise end

    monkeypatch.setattr(getpass, "getpass", give_up)
    with pytest.raises(CommandError, match="Cancelled"):
        call_command("changepassword", user.email)
    assert log_in_with(user.email).status_code == 200


@pytest.mark.parametrize(
    "address", ["nobody@example.com", "gone@example.com", "no address", "e" + "\u0301" * 400]
)
def test_an_unknown_address_is_an_error_of_one_line(address):
    UserFactory(email="gone@example.com").soft_delete()

    with pytest.raises(CommandError, match=r"^email: no account"):
        call_command("changepassword", address)
