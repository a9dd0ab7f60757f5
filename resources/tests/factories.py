import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from resources.models import Resource, Tag
from resources.services import create_resource


class ResourceFactory(DjangoModelFactory):
    """Made by the service, so that `tags=[…]` and the search text are as in life."""

    class Meta:
        model = Resource

    user = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Resource {n}")
    tags: list[str] = []

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return create_resource(**kwargs)


class TagFactory(DjangoModelFactory):
    class Meta:
        model = Tag

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"tag{n}")
