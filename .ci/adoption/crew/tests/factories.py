import factory
from django.core.files.uploadedfile import SimpleUploadedFile
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from core.files.attachments import services as attachments
from crew.models import Board, BoardFile, Card, Membership, Memo, Team


class TeamFactory(DjangoModelFactory):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"Team {n}")

    @classmethod
    def make_for(cls, user):
        return MembershipFactory(user=user).team


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    team = factory.SubFactory(TeamFactory)
    user = factory.SubFactory(UserFactory)


class BoardFactory(DjangoModelFactory):
    class Meta:
        model = Board

    team = factory.SubFactory(TeamFactory)
    title = factory.Sequence(lambda n: f"Board {n}")

    @classmethod
    def make_for(cls, user):
        return cls(team=TeamFactory.make_for(user))


class MemoFactory(DjangoModelFactory):
    class Meta:
        model = Memo

    author = factory.SubFactory(UserFactory)
    text = "The bell is loose"

    @classmethod
    def make_for(cls, user):
        return cls(author=user)


class CardFactory(DjangoModelFactory):
    class Meta:
        model = Card

    board = factory.SubFactory(BoardFactory)
    memo = factory.SubFactory(MemoFactory)
    title = "Mend the bell"


class BoardFileFactory(DjangoModelFactory):
    class Meta:
        model = BoardFile

    board = factory.SubFactory(BoardFactory)

    @classmethod
    def _create(cls, model_class, *args, board, **kwargs):
        actor = UserFactory()
        upload = SimpleUploadedFile("a.txt", b"Hello")
        prepared = attachments.prepare(upload=upload, owner=actor, actor=actor)
        return attachments.attach(to=board, model=model_class, prepared=prepared, actor=actor)
