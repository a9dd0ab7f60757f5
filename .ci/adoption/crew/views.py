from typing import Any, ClassVar

from django.shortcuts import get_object_or_404

from core.api.viewsets import BaseViewSet
from core.files.attachments.views import AttachmentViewSet, ShowsAttachments
from crew.models import Board, BoardFile, Card, Memo
from crew.serializers import BoardDetailSerializer, BoardSerializer, CardSerializer, MemoSerializer


class BoardViewSet(ShowsAttachments):
    """The boards of the caller's teams."""

    queryset = Board.objects.all()
    serializer_class = BoardSerializer
    detail_serializer_class = BoardDetailSerializer
    attachment_model = BoardFile
    exposed = frozenset({"list", "create", "retrieve", "destroy"})
    sort_fields: ClassVar = {"createdAt": "created_at"}


class BoardFileViewSet(AttachmentViewSet):
    """Files of a board, for the members of its team."""

    queryset = BoardFile.objects.all()
    parents = BoardViewSet


class CardViewSet(BaseViewSet):
    """The cards of a board, for the members of its team."""

    queryset = Card.objects.all()
    serializer_class = CardSerializer
    exposed = frozenset({"list", "create"})
    sort_fields: ClassVar = {"createdAt": "created_at"}

    def get_board(self) -> Board:
        return get_object_or_404(Board.objects.visible_to(self.request.user), pk=self.kwargs["board"])

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(board=self.get_board())

    def perform_create(self, serializer: Any) -> None:
        serializer.save(board=self.get_board())


class MemoViewSet(BaseViewSet):
    """The memos that the caller has written or may read."""

    queryset = Memo.objects.all()
    serializer_class = MemoSerializer
    exposed = frozenset({"list", "retrieve", "partial_update"})
    sort_fields: ClassVar = {"createdAt": "created_at"}
