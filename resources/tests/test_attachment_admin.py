import pytest

from core.audit.models import AuditEvent
from core.files.models import StoredFile
from core.outbox import services as outbox
from core.tests.office import allow, browser_of, queries_of, rows, url_of
from resources.models import Attachment
from resources.tests.factories import AttachmentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]


@pytest.fixture
def attachment():
    return AttachmentFactory()


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_staff_with_permission_see_attachments(staff, attachment):
    allow(staff.user, "resources.view_attachment")
    response = browser_of(staff.user).get(url_of(Attachment), {"q": "a.txt"})

    assert rows(response) == [attachment]
    assert b"/api/v1/files?token=" in response.content


def test_staff_without_permission_see_no_attachments(staff, attachment):
    assert browser_of(staff.user).get(url_of(Attachment)).status_code == 403


def test_deleting_is_done_by_the_service(disk, browser, attachment):
    browser.post(url_of(attachment, "delete"), {"post": "yes"})
    outbox.drain()

    assert (Attachment.objects.count(), StoredFile.objects.count(), disk.names()) == (0, 0, [])
    attachment.resource.refresh_from_db()
    assert attachment.resource.attachment_count == 0
    event = AuditEvent.objects.get(event="attachment.deleted")
    assert (event.actor_id, event.target_id) == (browser.user.pk, attachment.resource_id)


def test_nothing_can_be_changed(browser, attachment):
    assert browser.get(url_of(Attachment, "add")).status_code == 403
    assert browser.post(url_of(attachment, "change"), {"width": "1"}).status_code == 403


def test_the_queries_of_the_list_do_not_grow_with_its_rows(browser, attachment):
    few = queries_of(browser, url_of(Attachment))
    for _ in range(5):
        AttachmentFactory()

    assert queries_of(browser, url_of(Attachment)) == few
