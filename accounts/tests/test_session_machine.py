"""Any order of log-ins, refreshes, log-outs, new passwords and links, against the model in session_model.py.

Each example has users of its own, so the examples need no clean database and each step is a real commit.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from accounts.tests.checks import API, data, problems, refusal
from accounts.tests.session_clients import SessionClients
from accounts.tests.session_model import LIFETIME, REFRESH, REVOKED, SessionModel
from core.tests.machines import having, one_of, settings_of

# About ten seconds. Larger numbers make a longer search.
SETTINGS = settings_of(examples=12, steps=20)

ME = f"{API}/users/me"
LIST = f"{API}/auth/sessions"
INVALID_LINK = [("token", "invalid_token")]


class SessionMachine(SessionClients):
    # --- sessions -----------------------------------------------------------------------------

    @initialize()
    def log_in_twice(self):
        for account in (*self.accounts, self.accounts[0]):
            self.log_in(account)

    @having("active")
    @rule(account=one_of("active"))
    def log_in(self, account):
        pair = data(self.post("login", email=account.email, password=account.password))["tokens"]
        listed = data(self.client.get(LIST, headers={"Authorization": f"Bearer {pair['accessToken']}"}))
        [current] = [row["id"] for row in listed if row["current"]]
        session = SessionModel(account, current)
        session.rotate(pair)
        account.sessions.append(session)

    @having("sessions")
    @rule(session=one_of("sessions"))
    def refresh(self, session):
        self.present(session, session.refresh[-1])

    @having("live")
    @rule(session=one_of("live"), seconds=st.sampled_from([0, 10, 11]))
    def repeat_a_refresh(self, session, seconds):
        spent = session.refresh[-1]
        self.present(session, spent)
        self.clock.shift(seconds)
        self.present(session, spent)

    @having("sessions")
    @rule(session=one_of("sessions"), age=st.integers(1, 3))
    def present_a_spent_token(self, session, age):
        self.present(session, session.refresh[-1 - age :][0])

    @having("sessions")
    @rule(session=one_of("sessions"))
    def log_out(self, session):
        """Log out with the first access token, which may have expired."""
        response = self.send(session, "post", f"{API}/auth/logout", token=session.access[0])
        if session.is_live:
            assert response.status_code == 204
        else:
            assert refusal(response) == REVOKED
        session.is_ended = True

    @having("usable")
    @rule(session=one_of("usable"), other=one_of("sessions"))
    def end_a_session(self, session, other):
        is_listed = other.is_live and other.account is session.account
        response = self.send(session, "delete", f"{LIST}/{other.id}")
        assert response.status_code == (204 if is_listed else 404)
        other.is_ended |= is_listed

    @having("usable")
    @rule(session=one_of("usable"))
    def log_out_everywhere(self, session):
        assert self.send(session, "post", f"{API}/auth/logout-all").status_code == 204
        session.account.end_sessions()
        session.account.void_links()

    # --- passwords ----------------------------------------------------------------------------

    @precondition(lambda self: len(self.live) > 2)
    @having("usable")
    @rule(session=one_of("usable"))
    def change_password(self, session):
        account, former = session.account, session.account.password
        account.password = f"An0ther-battery-{next(self.numbers)}"
        body = {"currentPassword": former, "newPassword": account.password}
        assert self.send(session, "post", f"{API}/auth/change-password", body).status_code == 204
        account.end_sessions(but=session)
        account.void_links()
        self.check_former(account, former)

    def check_former(self, account, password):
        """The former password opens nothing. The new one does, which also clears the count of failures."""
        self.check_refused(account, password)
        self.log_in(account)

    def check_refused(self, account, password):
        response = self.post("login", email=account.email, password=password)
        assert refusal(response) == (401, "INVALID_CREDENTIALS")

    @precondition(lambda self: sum(link.is_open for link in self.links) < 3)
    @having("active")
    @rule(account=one_of("active"), opens=st.booleans())
    def forget_password(self, account, opens):
        assert self.post("forgot-password", email=account.email).status_code == 202
        self.receive(account, "reset-password", account.email)
        if opens:
            self.open_a_link(account.links[-1])

    # --- links --------------------------------------------------------------------------------

    @having("undo_links")
    @rule(link=one_of("undo_links"))
    def undo_a_change(self, link):
        self.open_a_link(link)

    @having("open_links")
    @rule(link=one_of("open_links"))
    def open_an_open_link(self, link):
        self.open_a_link(link)

    @having("links")
    @rule(link=one_of("links"))
    def open_a_link(self, link):
        [account] = [account for account in self.accounts if link in account.links]
        {
            "reset-password": self.reset_password,
            "verify-email": self.verify_email,
            "undo-email-change": self.undo_email_change,
        }[link.kind](account, link)

    def reset_password(self, account, link):
        former, new = account.password, f"An0ther-battery-{next(self.numbers)}"
        response = self.post("reset-password", token=link.text, password=new)
        if not link.is_open:
            assert problems(response) == INVALID_LINK
            return
        assert response.status_code == 204
        link.is_used, account.password, account.is_verified = True, new, True
        account.end_sessions()
        account.void_links()
        self.check_former(account, former)

    def verify_email(self, account, link):
        response = self.post("verify-email", token=link.text)
        is_done = account.is_verified and account.email == link.email
        if (
            link.is_void
            or link.is_expired
            or not (is_done or (link.is_open and link.email == account.pending))
        ):
            assert problems(response) == INVALID_LINK
            return
        assert response.status_code == 204
        link.is_used, left = True, account.email
        if not is_done and account.leave_address(link.email):
            self.receive(account, "undo-email-change", left)

    def undo_email_change(self, account, link):
        response = self.post("undo-email-change", token=link.text)
        if not link.is_open:
            assert problems(response) == INVALID_LINK
            return
        assert response.status_code == 204
        link.is_used, account.email, account.is_verified = True, link.email, True
        account.void_undo_links(link.created_at)
        account.end_sessions()
        account.void_links()

    @having("usable")
    @rule(session=one_of("usable"), to=st.sampled_from(["new", "new", "own", "taken"]), opens=st.booleans())
    def change_address(self, session, to, opens):
        account = session.account
        [other] = [each for each in self.accounts if each is not account]
        new = f"{account.id}-{next(self.numbers)}@example.com"
        address = {"new": new, "own": account.email, "taken": other.email}[to]
        is_taken = address == other.email and not other.is_deleted
        response = self.send(session, "patch", ME, {"email": address, "currentPassword": account.password})
        if is_taken:
            assert refusal(response) == (409, "EMAIL_EXISTS")
            return
        pending = None if address == account.email else address
        assert data(response)["pendingEmail"] == pending
        if pending == account.pending:
            return  # no change, and no further email
        account.set_pending(pending)
        if pending:
            self.receive(account, "verify-email", address)
            if opens:
                self.open_a_link(account.links[-1])

    # --- admins, and time ---------------------------------------------------------------------

    @having("usable")
    @having("active")
    @rule(account=one_of("active"), role=st.sampled_from(["user", "staff", "admin"]))
    def change_role(self, account, role):
        response = self.log_in_as(self.admin).patch(f"{API}/users/{account.id}", {"role": role})
        account.role = data(response)["role"]
        assert account.role == role

    @precondition(lambda self: len(self.live) > 1)
    @having("active")
    @rule(account=one_of("active"))
    def delete_account(self, account):
        assert self.log_in_as(self.admin).delete(f"{API}/users/{account.id}").status_code == 204
        account.delete()
        self.check_refused(account, account.password)

    @having("usable")
    @rule(minutes=st.sampled_from([0.1, 5, 14, 16, 61, 24 * 60, 8 * 24 * 60]))
    def wait(self, minutes):
        self.clock.shift(timedelta(minutes=minutes))

    @precondition(lambda self: len(self.live) > 1)
    @rule(session=one_of("live"))
    def use_for_a_month(self, session):
        """Refresh until the session reaches its longest lifetime. It ends before its last access token expires."""
        end = session.created_at + LIFETIME
        while (left := end - timezone.now()) > timedelta(minutes=10):
            self.clock.shift(min(REFRESH - timedelta(seconds=1), left - timedelta(minutes=10)))
            if session.refusal_of(session.refresh[-1]) is not None:
                break  # the first step was longer than what was left
            self.present(session, session.refresh[-1])
        self.clock.shift(timedelta(minutes=11))

    # --- what is true after every step --------------------------------------------------------

    @invariant()
    def each_access_token_is_answered_as_expected(self):
        for session in self.sessions:
            for token in session.unchecked():
                response = self.send(session, "get", ME, token=token)
                refused = session.refusal_of(token)
                if refused:
                    assert refusal(response) == refused
                else:
                    self.check_profile(session.account, data(response))
                # Neither state ends. One token of an ended session is checked on.
                token.is_done = token.is_expired or (session.is_ended and token is not session.access[-1])

    def check_profile(self, account, shown):
        names = ("id", "email", "pendingEmail", "role", "emailVerified")
        held = (account.id, account.email, account.pending, account.role, account.is_verified)
        assert tuple(shown[name] for name in names) == held

    @invariant()
    def exactly_the_live_sessions_are_listed(self):
        for account in self.accounts:
            usable = [session for session in account.sessions if session.is_usable]
            if usable:
                rows = data(self.send(usable[0], "get", f"{LIST}?limit=100"))
                live = [session for session in account.sessions if session.is_live]
                assert sorted((row["id"], row["expiresAt"], row["current"]) for row in rows) == sorted(
                    (session.id, f"{session.expires_at:%Y-%m-%dT%H:%M:%SZ}", session is usable[0])
                    for session in live
                )


@pytest.mark.django_db(transaction=True)
def test_sessions_are_those_of_the_model(clock, log_in, mailoutbox):
    machine = partial(SessionMachine, clock, timezone.now(), log_in)
    run_state_machine_as_test(machine, settings=SETTINGS)
