"""Sample files in the storage of the test."""

from datetime import timedelta

from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.files import services as files
from core.files.models import StoredFile


def pending_file(content=b"content", user=None, **values):
    """Store a file to which nothing refers yet."""
    values = {"content_type": "text/plain", "filename": "a.txt", **values}
    return files.store([content], user=user or UserFactory(), **values)


def stored_file(content=b"content", **values):
    """Store a file for good."""
    stored = pending_file(content, **values)
    files.confirm(stored)
    return stored


def make_older_than_an_hour():
    StoredFile.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))
