"""Replies of a real SMTP server, which decide whether an email is tried again, and verification of TLS."""

import asyncio
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from core.db.leases import Lease, LeaseLost
from core.outbox import services as outbox
from core.outbox.mail import send
from core.outbox.models import OutboxMessage
from core.outbox.services import PermanentError
from core.tests.factories import OutboxMessageFactory
from core.tests.leases import pass_time
from core.tests.tls import Authority

pytestmark = pytest.mark.django_db

OURS = {"name": "Ann", "link": "https://app.example.com/"}


class Script:
    """A server that answers each command as it is told."""

    def __init__(self):
        self.answers, self.received = {}, []
        self.closes = False  # the connection, instead of the reply to the content
        self.seconds = 0.0  # for each reply

    async def answer(self, command, default="250 OK"):
        await asyncio.sleep(self.seconds)
        return self.answers.get(command, default)

    async def handle_MAIL(self, _server, _session, envelope, address, _options):
        envelope.mail_from = address
        return await self.answer("MAIL")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        envelope.rcpt_tos.append(address)
        return await self.answer("RCPT")

    async def handle_DATA(self, server, _session, envelope):
        self.received.append(envelope)
        if self.closes:
            server.transport.abort()
        return await self.answer("DATA")


@pytest.fixture
def serve(settings, tmp_path):
    """Start an SMTP server and configure the application for it; `serve(**options)` are those of aiosmtpd."""
    (tmp_path / "emails").mkdir()
    for ending in ("txt", "html"):
        (tmp_path / f"emails/hello.{ending}").write_text("Subject: Hello\n\nHello\n")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    started = []

    def start(**options):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        script = Script()
        controller = Controller(script, hostname="127.0.0.1", port=port, **options)
        controller.start()
        started.append(controller)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        return script

    yield start
    for controller in started:
        controller.stop()


def send_hello(cause):
    send("hello", to="ann@example.com", context=OURS, cause=cause)


# --- tried again, or final ------------------------------------------------------------------------

FINAL = [
    ("RCPT", "550 no such user"),
    ("RCPT", "550 5.1.1 User unknown"),
    ("RCPT", "550 5.1.10 Null MX"),
    ("RCPT", "550 5.0.0 no"),
    ("RCPT", "550 5.2.1 Mailbox disabled"),
    ("RCPT", "551 5.1.6 Moved"),
    ("RCPT", "553 bad name"),
    ("RCPT", "556 no mail here"),
    ("DATA", "554 spam"),
    ("DATA", "552 5.3.4 Message too big"),
    ("DATA", "550 5.6.0 Bad content"),
]
LATER = [
    ("MAIL", "530 5.7.0 Must issue a STARTTLS command first"),
    ("MAIL", "530 5.7.1 Authentication required"),
    ("MAIL", "550 5.7.1 Sender not allowed"),
    ("MAIL", "550 sender refused"),
    ("MAIL", "553 5.1.8 Sender domain not found"),
    ("MAIL", "501 5.1.7 Bad sender address syntax"),
    ("MAIL", "421 busy"),
    ("MAIL", "452 4.3.1 Out of storage"),
    ("RCPT", "421 busy"),
    ("RCPT", "450 greylisted"),
    ("RCPT", "451 greylisted"),
    ("RCPT", "452 4.2.2 Over quota"),
    ("RCPT", "454 4.7.1 Relay access denied"),
    ("RCPT", "530 5.7.0 Authentication required"),
    ("RCPT", "550 5.7.1 Relaying denied"),
    ("RCPT", "553 5.1.8 Sender domain not found"),
    ("RCPT", "552 mailbox full"),
    ("RCPT", "552 5.2.2 Over quota"),
    ("RCPT", "554 5.2.2 Mailbox full"),
    ("DATA", "452 4.3.1 Out of storage"),
    ("DATA", "552 5.2.2 Over quota"),
    ("DATA", "550 5.7.26 Unauthenticated email is not accepted"),
    ("DATA", "550 5.4.5 Daily sending quota exceeded"),
]


@pytest.mark.parametrize(("command", "reply"), FINAL)
def test_a_refused_recipient_or_content_is_final(serve, command, reply):
    serve().answers[command] = reply

    with pytest.raises(PermanentError, match=reply[:3]):
        send_hello(OutboxMessageFactory())


@pytest.mark.parametrize(("command", "reply"), LATER)
def test_what_is_about_our_set_up_or_a_quota_is_tried_again(serve, command, reply):
    serve().answers[command] = reply

    with pytest.raises(smtplib.SMTPException):
        send_hello(OutboxMessageFactory())


@pytest.mark.parametrize(
    ("command", "reply", "status"),
    [
        ("MAIL", "550 5.7.1 Sender not allowed", "pending"),
        ("RCPT", "552 5.2.2 Over quota", "pending"),
        ("RCPT", "550 5.1.1 User unknown", "failed"),
    ],
)
def test_the_outbox_follows_the_rule(serve, monkeypatch, command, reply, status):
    monkeypatch.setitem(outbox.handlers, "test.mail", send_hello)
    serve().answers[command] = reply
    outbox.enqueue("test.mail", {})
    outbox.drain()
    message = OutboxMessage.objects.get()

    assert message.status == status
    assert reply[:3] in message.last_error


def test_a_refused_log_in_of_ours_is_tried_again(serve, settings):
    script = serve(auth_require_tls=False, authenticator=lambda *_: AuthResult(success=False, handled=False))
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "app", "old"

    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_hello(OutboxMessageFactory())
    assert script.received == []


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "right")


@pytest.fixture(params=["implicit", "starttls"])
def encrypted(request, serve, settings, authority):
    """A server with TLS from the first byte, or one that insists on STARTTLS."""
    context = authority.server_context()
    if request.param == "implicit":
        settings.EMAIL_USE_SSL = True
        return serve(ssl_context=context)
    settings.EMAIL_USE_TLS = True
    return serve(tls_context=context, require_starttls=True)


def test_a_server_with_a_certificate_of_a_trusted_authority_gets_the_mail(encrypted, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    send_hello(OutboxMessageFactory())

    assert [envelope.rcpt_tos for envelope in encrypted.received] == [["ann@example.com"]]


def test_a_server_with_any_other_certificate_gets_nothing(encrypted, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "wrong").bundle))

    with pytest.raises(ssl.SSLCertVerificationError):
        send_hello(OutboxMessageFactory())
    assert encrypted.received == []


def test_a_certificate_for_another_host_is_refused(serve, settings, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    settings.EMAIL_USE_SSL = True
    serve(ssl_context=authority.server_context("192.0.2.1"))

    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        send_hello(OutboxMessageFactory())


# --- slow servers ---------------------------------------------------------------------------------


@pytest.fixture
def slow(serve, settings, monkeypatch):
    """A server that takes a while for each reply: a tenth of a second stands for nine."""
    monkeypatch.setattr("core.outbox.mail.SMTP_SECONDS", 0.57)
    monkeypatch.setattr("core.outbox.mail.CONTENT_SECONDS", 0.19)
    script = serve()
    settings.EMAIL_BACKEND = "core.outbox.mail.SMTPBackend"
    return script


def test_a_slow_server_gets_an_email_once(slow):
    slow.seconds = 0.09
    send_hello(OutboxMessageFactory())

    assert len(slow.received) == 1


def test_one_that_is_too_slow_gets_nothing_of_an_email(slow):
    slow.seconds = 0.25

    with pytest.raises(TimeoutError):
        send_hello(OutboxMessageFactory())
    assert slow.received == []


def test_a_reply_that_comes_in_drops_does_not_hold_a_delivery_for_ever(slow, settings):
    """Each drop comes before EMAIL_TIMEOUT, which is for each of them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_PORT = server.getsockname()[1]
        ended = threading.Event()

        def drip():
            peer, _address = server.accept()
            with peer, suppress(OSError):
                while not ended.wait(0.05):
                    peer.send(b"2")

        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(smtplib.SMTPException):
            send_hello(OutboxMessageFactory())
        ended.set()
        dripping.join()


def test_nothing_is_sent_under_a_lease_that_is_lost(slow):
    OutboxMessageFactory()
    message = OutboxMessage.objects.claim(outbox.LEASE)
    Lease(message, outbox.LEASE).lost = True

    with pytest.raises(LeaseLost):
        send_hello(message)
    assert slow.received == []


def test_an_email_whose_acceptance_was_never_heard_comes_again_under_its_id(serve, monkeypatch):
    """The connection ends after the content and before the reply: the server may have the email or not."""
    monkeypatch.setitem(outbox.handlers, "test.mail", send_hello)
    script = serve()
    script.closes = True
    message = outbox.enqueue("test.mail", {})
    outbox.drain()
    message.refresh_from_db()
    assert (message.status, message.attempts) == ("pending", 1)
    script.closes = False
    pass_time(OutboxMessage, 60)
    outbox.drain()
    message.refresh_from_db()

    ids = [message_from_bytes(envelope.content)["Message-ID"] for envelope in script.received]
    assert (message.status, len(ids), len(set(ids))) == ("done", 2, 1)
