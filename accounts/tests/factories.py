from datetime import timedelta
from uuid import uuid4

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.api_keys.models import ApiKey
from accounts.models import OneTimeToken, Session, User
from accounts.oidc.models import Identity

PASSWORD = "Corr3ct-horse-battery"


class UserFactory(DjangoModelFactory):
    """A user who can log in with PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")
    password = factory.django.Password(PASSWORD)


class SessionFactory(DjangoModelFactory):
    class Meta:
        model = Session

    user = factory.SubFactory(UserFactory)
    refresh_hash = factory.Sequence(lambda n: f"{n:064x}")
    expires_at = factory.LazyAttribute(lambda session: session.created_at + timedelta(days=7))
    created_at = factory.LazyFunction(timezone.now)
    user_agent = "factory"


class OneTimeTokenFactory(DjangoModelFactory):
    class Meta:
        model = OneTimeToken

    user = factory.SubFactory(UserFactory)
    purpose = OneTimeToken.Purpose.PASSWORD_RESET
    email = factory.SelfAttribute("user.email")
    token_hash = factory.Sequence(lambda n: f"{n:064x}")
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class ApiKeyFactory(DjangoModelFactory):
    class Meta:
        model = ApiKey

    user = factory.SubFactory(UserFactory)
    name = "Nightly export"
    prefix = "gw_4fK9sQ2x"
    key_hash = factory.LazyFunction(lambda: uuid4().hex * 2)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))


class IdentityFactory(DjangoModelFactory):
    class Meta:
        model = Identity

    user = factory.SubFactory(UserFactory)
    provider = "acme"
    issuer = "https://id.example.com"
    subject = factory.Sequence(str)
