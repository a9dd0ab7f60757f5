"""Rows without a single owner: boards of a team, their cards, and memos whose readers a method selects."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.db.access import Access
from core.db.base import BaseModel, BaseQuerySet
from core.files.models import BaseAttachment, HasAttachments


class Team(BaseModel):
    access = Access(members="memberships__user")

    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Membership(BaseModel):
    access = Access(parent="team")

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "user"], name="user_is_a_member_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Board(HasAttachments, BaseModel):
    access = Access(members="team__memberships__user")

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="boards")
    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.title


class BoardFile(BaseAttachment):
    parent = "board"

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="files")


class MemoQuerySet(BaseQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Return the memos that the user has written, or that are addressed to the user."""
        return self.filter(Q(author=user.pk) | Q(reader=user.pk))

    def writable_by(self, user: Any) -> Self:
        return self.filter(author=user.pk)

    def owned_by(self, user: Any) -> Self:
        """Return the memos that are in the personal-data export of the user."""
        return self.filter(author=user.pk)


class Memo(BaseModel):
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memos")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.CharField(max_length=200)

    objects: ClassVar = MemoQuerySet.as_manager()

    def __str__(self) -> str:
        return self.text


class Card(BaseModel):
    """A card of a board, about a memo."""

    access = Access(parent="board")

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="cards")
    memo = models.ForeignKey(Memo, on_delete=models.CASCADE, related_name="cards")
    title = models.CharField(max_length=100)
    position = models.IntegerField(default=0)
    hours = models.FloatField(null=True)

    def __str__(self) -> str:
        return self.title
