import smtplib
import socket

import pytest
from aiosmtpd.controller import Controller

from core.outbox import mail
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.outbox.services import PermanentError
from core.tests.factories import OutboxMessageFactory

pytestmark = pytest.mark.django_db

SMTP = "django.core.mail.backends.smtp.EmailBackend"
LINK = "https://app.example.com/account/reset-password?token=" + "x" * 120


@pytest.fixture(autouse=True)
def templates(settings, tmp_path):
    """One template of our own, so that nothing here depends on what the product's mails say."""
    (tmp_path / "emails").mkdir()
    (tmp_path / "emails/hello.txt").write_text(
        "Subject: Hello {{ name }}\n\nDear {{ name }},\n{% autoescape off %}{{ link }}{% endautoescape %}\n\n\n"
    )
    (tmp_path / "emails/hello.html").write_text(
        "<html><head><style>p { color: red }</style></head><body><p>{{ name }} at {{ product }}</p></body></html>"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


def compose(**context):
    values = {"name": "Ann", "link": LINK, **context}
    return mail.compose("hello", to="ann@example.com", context=values, message_id="<1@x>")


def send(cause=None):
    cause = cause or OutboxMessageFactory()
    mail.send("hello", to="ann@example.com", context={"name": "Ann", "link": LINK}, cause=cause)


# --- composing ------------------------------------------------------------------------------------


def test_the_first_line_is_the_subject_and_the_rest_the_text():
    message = compose()

    assert message.subject == "Hello Ann"
    assert message.body == f"Dear Ann,\n{LINK}\n"
    assert message.to == ["ann@example.com"]


def test_it_has_a_twin_in_html_with_its_styles_inline():
    [alternative] = compose().alternatives

    assert alternative.mimetype == "text/html"
    assert 'style="color: red' in alternative.content
    assert "Ann at Blue Bikes" in alternative.content


def test_a_name_is_escaped_in_html():
    assert "&lt;b&gt;Ann&lt;/b&gt;" in compose(name="<b>Ann</b>").alternatives[0].content


def test_a_newline_in_a_name_makes_no_header():
    message = compose(name="Ann\nBcc: evil@example.com").message()

    assert (message["Subject"], message["Bcc"]) == ("Hello Ann", None)


def test_it_says_that_a_machine_wrote_it():
    assert compose().message()["Auto-Submitted"] == "auto-generated"


# --- sending --------------------------------------------------------------------------------------


def test_it_is_sent_from_the_configured_address(mailoutbox, settings):
    send()

    [message] = mailoutbox
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    assert message.extra_headers["Message-ID"].endswith("@example.com>")


def test_the_message_id_is_ascii_whatever_the_senders_domain(mailoutbox, settings):
    settings.DEFAULT_FROM_EMAIL = "Büro <noreply@bücher.example>"
    send()

    assert mailoutbox[0].message()["Message-ID"].endswith("@xn--bcher-kva.example>")


def test_one_cause_has_one_message_id_however_often_it_is_sent(mailoutbox):
    cause, other = OutboxMessageFactory(), OutboxMessageFactory()
    for message in (cause, cause, other):
        send(message)
    ids = [message.message()["Message-ID"] for message in mailoutbox]

    assert ids[0] == ids[1] != ids[2]
    assert str(cause.pk) in ids[0]


class Server:
    """An SMTP server that answers as it is told."""

    def __init__(self):
        self.recipient, self.data = "250 OK", "250 OK"
        self.received = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, server, _session, envelope):
        self.received.append(envelope)
        if self.data == "hang up":
            server.transport.abort()
            return "250 never heard"
        return self.data


@pytest.fixture
def smtp(settings):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", port
    yield server
    controller.stop()


def test_a_server_that_takes_it_gets_text_html_and_one_recipient(smtp):
    send()

    [envelope] = smtp.received
    content = envelope.content.decode()
    assert envelope.rcpt_tos == ["ann@example.com"]
    assert "text/plain" in content
    assert "text/html" in content


@pytest.mark.parametrize(
    ("recipient", "data"),
    [("550 no such user", "250 OK"), ("250 OK", "554 spam"), ("553 bad name", "250 OK")],
)
def test_a_refusal_for_good_is_final(smtp, recipient, data):
    smtp.recipient, smtp.data = recipient, data

    with pytest.raises(PermanentError, match=r"55\d"):
        send()


@pytest.mark.parametrize(
    ("recipient", "data"),
    [("451 greylisted", "250 OK"), ("250 OK", "452 full"), ("421 busy", "250 OK"), ("250 OK", "hang up")],
)
def test_a_refusal_for_now_is_not(smtp, recipient, data):
    smtp.recipient, smtp.data = recipient, data

    with pytest.raises((smtplib.SMTPException, OSError)):
        send()


def test_a_wrong_password_of_ours_is_a_refusal_for_now(smtp, settings):
    """A server that knows no log-in answers 5xx to one: that is about us, and every mail can wait for the cure."""
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "app", "old"

    with pytest.raises(smtplib.SMTPException) as refusal:
        send()
    assert not isinstance(refusal.value, PermanentError)


def test_nobody_there_is_a_refusal_for_now(settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1

    with pytest.raises(ConnectionRefusedError):
        send()


@pytest.mark.parametrize(
    ("answer", "status", "attempts"),
    [("250 OK", "done", 1), ("550 no", "failed", 1), ("451 later", "pending", 1), ("hang up", "pending", 1)],
)
def test_the_outbox_follows_what_the_server_says(smtp, monkeypatch, answer, status, attempts):
    monkeypatch.setitem(outbox.handlers, "test.mail", send)
    smtp.data = answer
    message = OutboxMessage.objects.get(pk=outbox.enqueue("test.mail", {}).pk)
    outbox.drain()
    message.refresh_from_db()

    assert (message.status, message.attempts) == (status, attempts)
    assert (message.last_error == "") == (status == "done")


def test_after_a_lost_answer_the_second_copy_has_the_same_id(smtp):
    cause = OutboxMessageFactory()
    smtp.data = "hang up"
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(cause)
    smtp.data = "250 OK"
    send(cause)
    first, second = (
        next(line for line in envelope.content.splitlines() if line.startswith(b"Message-ID"))
        for envelope in smtp.received
    )

    assert first == second


# --- the terminal ---------------------------------------------------------------------------------


def test_the_terminal_shows_whole_links(settings, capsys):
    settings.EMAIL_BACKEND = "core.outbox.mail.TerminalBackend"
    send()
    shown = capsys.readouterr().out

    assert LINK in shown.splitlines()
    assert "To: ann@example.com" in shown
    assert "Subject: Hello Ann" in shown
