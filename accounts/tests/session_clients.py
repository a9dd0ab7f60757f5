"""The clients of the sessions in session_model.py: they send requests, read email, and keep the model up to date."""

from django.core import mail
from hypothesis.stateful import RuleBasedStateMachine

from accounts.tests.checks import API, data, refusal, token_in
from accounts.tests.factories import UserFactory
from accounts.tests.session_model import MAX_RECENT, REVOKED, AccountModel, Link
from core.outbox import services as outbox
from core.tests.caller import Caller


class SessionClients(RuleBasedStateMachine):
    def __init__(self, clock, start, log_in):
        super().__init__()
        clock.move_to(start)
        self.clock, self.client, self.numbers = clock, Caller(), iter(range(1000))
        self.admin, self.log_in_as = UserFactory(role="admin"), log_in
        users = [UserFactory(name="Ann Able", email_verified_at=start), UserFactory(name="Bob Baker")]
        self.accounts = [AccountModel(user) for user in users]

    @property
    def sessions(self):
        return [session for account in self.accounts for session in account.sessions]

    @property
    def live(self):
        return [session for session in self.sessions if session.is_live]

    @property
    def usable(self):
        return [session for session in self.sessions if session.is_usable]

    @property
    def links(self):
        return [link for account in self.accounts for link in account.links]

    @property
    def open_links(self):
        return [link for link in self.links if link.is_open]

    @property
    def undo_links(self):
        return [link for account in self.accounts for link in account.open_undo_links()]

    @property
    def active(self):
        return [account for account in self.accounts if not account.is_deleted]

    def send(self, session, method, path, body=None, *, token=None):
        token = token or session.access[-1]
        headers = {"Authorization": f"Bearer {token.text}"}
        return getattr(self.client, method)(path, body, headers=headers)

    def post(self, path, **body):
        return self.client.post(f"{API}/auth/{path}", body)

    def present(self, session, token):
        """Send a refresh token, and check the answer by the model."""
        response = self.post("refresh", refreshToken=token.text)
        refused = session.refusal_of(token)
        if refused:
            assert refusal(response) == refused
        elif token is session.refresh[-1]:
            session.rotate(data(response)["tokens"])
        elif session.is_repeatable(token):
            pair = data(response)["tokens"]
            assert pair["refreshToken"] == session.refresh[-1].text
            session.take_access(pair)
        else:
            assert refusal(response) == REVOKED
            session.is_ended = True
            session.account.void_links()

    def receive(self, account, kind, address):
        """Deliver all email, and add the one link of this kind to this address to the model."""
        seen = len(mail.outbox)
        outbox.drain()
        messages = [message for message in mail.outbox[seen:] if f"/account/{kind}?token=" in message.body]
        recent = [link for link in self.links if link.email == address and link.is_recent]
        assert [message.to for message in messages] == [[address]] * (len(recent) < MAX_RECENT[kind])
        account.links += [Link(kind, address, token_in(message)) for message in messages]
