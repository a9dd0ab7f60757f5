"""The inbox, and who may open the pages."""

import html
import re

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

from core.devpages import emails, records

pytestmark = pytest.mark.django_db
PAGES = ("/dev/mails", "/dev/requests", "/dev/mails/password_reset.html")


def opened(developer, path):
    response = developer.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_an_email_that_was_sent_is_in_the_inbox_with_its_link(developer, owner, deliver):
    response = owner.post("/api/v1/auth/forgot-password", {"email": owner.user.email})
    [sent] = deliver()
    page = opened(developer, "/dev/mails")
    assert sent.subject in page
    assert owner.user.email in page

    [path] = re.findall(r'href="(/dev/mails/\d+)"', page)
    page = opened(developer, path)
    link = re.search(r"https://\S+token=\S+", sent.body)[0]
    assert f'href="{link}"' in page  # of the text
    assert "Product &lt;noreply@example.com&gt;" in page
    assert response["X-Request-ID"] in page
    frame = html.unescape(re.search(r'srcdoc="([^"]*)"', page)[1])
    assert '<base target="_blank">' in frame
    assert link in html.unescape(frame)


def test_every_sample_is_linked(developer):
    page = opened(developer, "/dev/mails")
    [first, *_] = re.findall(r'href="(/dev/mails/\w+\.html)"', page)

    assert "<html" in opened(developer, first)


def test_markup_of_an_email_does_not_run_in_the_page(developer):
    email = EmailMultiAlternatives(
        "<script>alert(1)</script>", "<script>alert(2)</script>", to=["ann@example.com"]
    )
    email.attach_alternative("<script>alert(3)</script>", "text/html")
    email.send()
    [record] = records.newest(emails.KIND)

    for path in ("/dev/mails", f"/dev/mails/{record.id}"):
        assert "<script" not in opened(developer, path)
    sandbox = re.search(r'sandbox="([^"]*)"', opened(developer, f"/dev/mails/{record.id}"))[1]
    assert {"allow-scripts", "allow-same-origin"}.isdisjoint(sandbox.split())


def test_an_email_that_was_refused_is_not_in_the_inbox(development, settings):
    settings.DELIVERING_EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(OSError, match="refused"):
        EmailMessage("Hello", "Text", to=["ann@example.com"]).send()

    assert records.newest(emails.KIND) == []


def test_an_email_is_sent_even_if_it_cannot_be_recorded(development, mailoutbox):
    records.path().mkdir()
    try:
        assert EmailMessage("Hello", "Text", to=["ann@example.com"]).send() == 1
    finally:
        records.path().rmdir()

    assert [email.subject for email in mailoutbox] == ["Hello"]


@pytest.mark.parametrize("path", ["/dev/mails/1", "/dev/mails/nothing.html", "/dev/requests/999999999999"])
def test_a_record_that_is_not_there_is_a_404(developer, path):
    assert developer.get(path).status_code == 404


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.7", 404), ("", 404)],
)
def test_another_address_gets_what_an_unknown_path_gets(developer, path, address, status):
    """A page has links that reset passwords; a 403 would show that DEBUG is on."""
    response = developer.get(path, REMOTE_ADDR=address)
    assert response.status_code == status
    if status == 404:
        unknown = developer.get("/dev/nope", REMOTE_ADDR=address)
        assert response.json()["error"]["code"] == unknown.json()["error"]["code"]


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"])
def test_a_request_through_a_tunnel_is_not_of_this_machine(developer, header):
    """The peer is a program on this machine, and its client is anywhere."""
    assert developer.get("/dev/mails", headers={header: "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize("forwarded", ["127.0.0.1", "192.0.2.7"])
def test_behind_a_proxy_no_client_is_of_this_machine(developer, settings, forwarded):
    """A loopback address that a proxy reports is that of another proxy, which TRUSTED_PROXIES does not count."""
    settings.TRUSTED_PROXIES = 1

    assert developer.get("/dev/mails", headers={"x-forwarded-for": forwarded}).status_code == 404
    assert developer.get("/dev/mails").status_code == 404


@pytest.mark.parametrize(("address", "is_linked"), [("127.0.0.1", True), ("192.0.2.7", False)])
def test_the_home_page_links_what_its_reader_may_open(developer, address, is_linked):
    page = developer.get("/", REMOTE_ADDR=address).content.decode()

    assert [f'href="{path}"' in page for path in PAGES[:2]] == [is_linked] * 2


@pytest.mark.parametrize("path", ["/dev/mails", "/dev/requests", "/dev/requests/1"])
@pytest.mark.parametrize("kind", ["bytes", "folder"])
def test_a_file_that_cannot_be_read_is_named(developer, path, kind):
    records.path().unlink(missing_ok=True)
    records.path().parent.mkdir(parents=True, exist_ok=True)
    if kind == "bytes":
        records.path().write_bytes(b"no database" * 1000)
    else:
        records.path().mkdir()
    response = developer.get(path)
    if kind == "folder":
        records.path().rmdir()

    assert response.status_code == 503
    assert f"{records.path()} cannot be read" in response.content.decode()
