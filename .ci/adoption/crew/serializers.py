from typing import Any, ClassVar

from rest_framework import serializers

from core.api.serializers import ModelSerializer, StringField
from core.files.attachments.serializers import AttachmentSerializer
from crew.models import Board, Card, Memo, Team


class BoardSerializer(ModelSerializer):
    teamId = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), source="team")
    title = StringField(min_length=1, max_length=100)
    examples: ClassVar = {"title": "The next journey"}

    class Meta:
        model = Board
        fields = ("id", "teamId", "title", "createdAt", "updatedAt")
        read_only_fields = ("id", "createdAt", "updatedAt")


class BoardDetailSerializer(BoardSerializer):
    attachments = AttachmentSerializer(many=True, read_only=True, source="attachment_count")

    class Meta(BoardSerializer.Meta):
        fields: Any = (*BoardSerializer.Meta.fields, "attachments")


class MemoSerializer(ModelSerializer):
    text = StringField(min_length=1, max_length=200)
    examples: ClassVar = {"text": "The bell is loose"}

    class Meta:
        model = Memo
        fields = ("id", "text", "createdAt", "updatedAt")
        read_only_fields = ("id", "createdAt", "updatedAt")


class CardSerializer(ModelSerializer):
    boardId = serializers.UUIDField(source="board_id", read_only=True)
    memoId = serializers.PrimaryKeyRelatedField(queryset=Memo.objects.all(), source="memo")
    title = StringField(min_length=1, max_length=100)
    examples: ClassVar = {"title": "Mend the bell"}

    class Meta:
        model = Card
        fields = ("id", "boardId", "memoId", "title", "position", "hours", "createdAt", "updatedAt")
        read_only_fields = ("id", "createdAt", "updatedAt")
