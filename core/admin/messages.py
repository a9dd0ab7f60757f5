"""The messages at the top of the admin's pages."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class MessageCookie(CookieStorage):
    """A cookie with the prefix that a `Secure` cookie of one host has."""

    cookie_name = "__Host-messages" if settings.SESSION_COOKIE_SECURE else "messages"


class MessageStorage(FallbackStorage):
    """A cookie first: a message in the session would extend the session by its whole age."""

    storage_classes = (MessageCookie, SessionStorage)
