import factory
from django.core.files.uploadedfile import SimpleUploadedFile
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from core.files.attachments import services as attachments
from resources.models import Attachment, Resource, Tag
from resources.services import create_resource


class ResourceFactory(DjangoModelFactory):
    """A resource created by the service, so that `tags=[…]` and the search text are those of production."""

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


class AttachmentFactory(DjangoModelFactory):
    """An attachment with a stored file, as an upload of a text creates it."""

    class Meta:
        model = Attachment

    resource = factory.SubFactory(ResourceFactory)
    content = b"Hello"

    @classmethod
    def _create(cls, model_class, *args, resource, content, **kwargs):
        owner = resource.user
        upload = SimpleUploadedFile("a.txt", content)
        prepared = attachments.prepare(upload=upload, owner=owner, actor=owner)
        return attachments.attach(to=resource, model=model_class, prepared=prepared, actor=owner)
