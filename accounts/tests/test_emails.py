"""The content of each email, in both of its forms."""

from datetime import datetime
from html.parser import HTMLParser

import pytest

from accounts.models import User
from core.outbox import mail

LINK = "https://app.example.com/account/x?token=Abc_1-2&kept=yes"
ACT = "https://app.example.com/account/forgot-password"
TEMPLATES = {
    "password_reset": ("Reset your password", {"link": LINK}),
    "invitation": ("Your new account", {"link": LINK}),
    "email_proof": ("Confirm your email address", {"link": LINK, "changing": False}),
    "email_change_requested": (
        "Your email address is about to change",
        {"new_email": "new@example.com", "act_link": ACT},
    ),
    "email_changed": (
        "Your email address was changed",
        {"new_email": "new@example.com", "act_link": ACT, "link": LINK},
    ),
    "email_change_undone": ("A change of your email address was undone", {"act_link": ACT}),
    "account_deleted": (
        "Your account was deleted",
        {"link": LINK, "act_link": ACT, "until": datetime(2026, 1, 31, 12, 30)},
    ),
    "password_changed": ("Your password was changed", {"act_link": ACT}),
    "session_closed": ("We closed a session of yours", {"act_link": ACT}),
    "new_device": (
        "New log-in to your account",
        {
            "at": datetime(2026, 1, 1),
            "ip_address": "203.0.113.7",
            "device": "<i>Firefox</i>",
            "act_link": ACT,
            "link": LINK,
        },
    ),
}
WITH_LINK = ["password_reset", "invitation", "email_proof", "email_changed", "account_deleted", "new_device"]
NOTICES = [name for name in TEMPLATES if name not in {"password_reset", "invitation", "email_proof"}]
GREETING = [name for name in TEMPLATES if name != "email_proof"]


class Page(HTMLParser):
    """The text, links and tags of an email's HTML."""

    def __init__(self, html):
        super().__init__()
        self.text, self.links, self.tags, self.attributes = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(autouse=True)
def _frontend(settings):
    settings.FRONTEND_URL = "https://app.example.com"


def written(template, *, name="Ann Example", verified=True, **values):
    user = User(email="ann@example.com", name=name, email_verified_at="2026-01-01" if verified else None)
    context = {"user": user, "is_proven": verified, **TEMPLATES[template][1], **values}
    return mail.compose(template, to=user.email, context=context, message_id="<id@example.com>")


def html_of(message):
    [alternative] = message.alternatives
    assert alternative.mimetype == "text/html"
    return alternative.content


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_subject_names_the_purpose(template):
    message = written(template)

    assert message.subject == TEMPLATES[template][0]
    assert not message.body.startswith("Subject")
    assert TEMPLATES[template][0] in Page(html_of(message)).text


def test_a_change_of_address_has_a_subject_of_its_own():
    assert written("email_proof", changing=True).subject == "Confirm your new email address"


@pytest.mark.parametrize("template", WITH_LINK)
def test_the_link_has_a_line_of_its_own(template):
    assert LINK in written(template).body.split("\n")


@pytest.mark.parametrize("template", WITH_LINK)
def test_the_html_has_the_link_as_a_button_and_as_text(template):
    page = Page(html_of(written(template)))

    assert page.links.count(LINK) == 2
    assert LINK in page.text


@pytest.mark.parametrize(
    ("template", "life"),
    [
        ("password_reset", "hour"),
        ("invitation", "7 days"),
        ("email_proof", "24 hours"),
        ("email_changed", "7 days"),
        ("new_device", "7 days"),
    ],
)
def test_a_link_comes_with_its_lifetime(template, life):
    message = written(template)

    assert f"within the next {life}" in message.body
    assert f"within the next {life}" in Page(html_of(message)).text


@pytest.mark.parametrize(
    ("template", "advice"),
    [
        ("password_reset", "If it was not you, ignore this email"),
        ("invitation", "If you do not expect an account, ignore this email"),
        ("email_proof", "ignore this email"),
        ("email_change_requested", "If it was not you"),
        ("email_changed", "If it was not you"),
        ("email_change_undone", "If it was not you"),
        ("account_deleted", "If it was not you"),
        ("password_changed", "If it was not you"),
        ("session_closed", "set a new password"),
        ("new_device", "If it was not"),
    ],
)
def test_every_email_explains_what_to_do_if_it_was_not_you(template, advice):
    message = written(template)

    assert advice in message.body
    assert advice in Page(html_of(message)).text


@pytest.mark.parametrize("template", GREETING)
def test_a_hostile_name_is_escaped(template):
    name = '<img src=x onerror="alert(1)"> & <a href="https://evil.example">'
    message = written(template, name=name)
    page = Page(html_of(message))

    assert f"Hello {name}," in message.body
    assert f"Hello {name}," in page.text
    assert "img" not in page.tags
    assert "https://evil.example" not in page.links


def test_the_name_of_a_device_is_escaped():
    page = Page(html_of(written("new_device")))

    assert "<i>Firefox</i>" in page.text
    assert "i" not in page.tags


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_unverified_address_is_not_greeted_by_name(template):
    """A person who signs up with a foreign address could send its owner a text of their own, as the name."""
    message = written(template, name="Win at casino.example", verified=False)

    assert "casino" not in message.body
    assert "casino" not in html_of(message)


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_html_has_inline_styles_and_loads_nothing(template):
    html = html_of(written(template))
    page = Page(html)

    assert [attributes for attributes in page.attributes if "background-color" in attributes.get("style", "")]
    assert "prefers-color-scheme: dark" in html
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert all(link.startswith("https://app.example.com") for link in page.links)


@pytest.mark.parametrize("template", NOTICES)
def test_every_notice_links_to_a_page_to_act(template):
    message = written(template)

    assert ACT in message.body.split("\n")
    assert ACT in Page(html_of(message)).links


def test_an_intermediate_address_is_notified_without_an_undo_link():
    message = written("email_changed", link=None, is_change_back=True)

    assert "token=" not in message.body + html_of(message)
    assert "This undid an earlier change" in message.body


def test_an_unverified_address_is_notified_without_an_undo_link():
    message = written("email_changed", link=None, is_change_back=False, verified=False)

    assert "token=" not in message.body + html_of(message)
    assert "This undid" not in message.body + html_of(message)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_syntax_is_left(template):
    message = written(template)

    for text in (message.subject, message.body, html_of(message)):
        assert not [sign for sign in ("{{", "{%", "{#", "None") if sign in text]
