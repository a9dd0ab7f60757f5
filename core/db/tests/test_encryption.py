"""Secrets at rest, and their keys."""

import pytest
from cryptography.fernet import Fernet

from core.db.encryption import Undecryptable, decrypt, encrypt, reencrypt
from core.tests.factories import WebhookFactory
from core.webhooks.models import SECRETS

OLD, NEW = "old-" + "0a1b2c3d4e5f6g7h" * 4, "new-" + "0a1b2c3d4e5f6g7h" * 4


@pytest.fixture
def keys(settings):
    """Set SECRET_KEY and its fallbacks."""

    def to(key, *fallbacks):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, list(fallbacks)

    to(OLD)
    return to


def test_a_text_is_read_again_and_differs_each_time(keys):
    token = encrypt("a", "sécret")

    assert decrypt("a", token) == "sécret"
    assert encrypt("a", "sécret") != token


def test_a_text_belongs_to_its_purpose(keys):
    with pytest.raises(Undecryptable):
        decrypt("b", encrypt("a", "secret"))


@pytest.mark.parametrize("token", ["", "x", "é", Fernet(Fernet.generate_key()).encrypt(b"a").decode()])
def test_anything_else_is_undecryptable(keys, token):
    with pytest.raises(Undecryptable):
        decrypt("a", token)


@pytest.mark.django_db
def test_a_key_is_replaced_without_a_loss(keys):
    webhook, lost = WebhookFactory(former_secret=encrypt(SECRETS, "former")), WebhookFactory()
    type(lost).objects.filter(pk=lost.pk).update(secret="of another key")
    assert reencrypt() == 0  # there is no other key
    keys(NEW, OLD)
    assert decrypt(SECRETS, webhook.secret) == webhook.shown_secret
    assert reencrypt() == 2
    assert reencrypt() == 0
    keys(NEW)

    webhook.refresh_from_db()
    assert decrypt(SECRETS, webhook.secret) == webhook.shown_secret
    assert decrypt(SECRETS, webhook.former_secret) == "former"
    lost.refresh_from_db()
    assert lost.secret == "of another key"
