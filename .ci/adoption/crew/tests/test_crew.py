import pytest

from core.tests.answers import problems
from crew.models import Membership
from crew.tests.factories import BoardFactory, CardFactory, MemoFactory

pytestmark = pytest.mark.django_db


def cards_of(board):
    return f"/api/v1/boards/{board.pk}/cards"


def test_members_share_what_is_on_their_boards(owner, stranger):
    card = CardFactory(board=BoardFactory.make_for(owner.user))
    Membership.objects.create(team=card.board.team, user=stranger.user)

    assert [row["id"] for row in stranger.get(cards_of(card.board)).json()["data"]] == [str(card.pk)]


def test_a_card_is_about_a_memo_that_its_writer_may_read(owner):
    path, body = cards_of(BoardFactory.make_for(owner.user)), {"title": "Mend the bell"}
    foreign, addressed = MemoFactory(), MemoFactory(reader=owner.user)

    assert problems(owner.post(path, {**body, "memoId": str(foreign.pk)})) == {"memoId": "does_not_exist"}
    assert owner.post(path, {**body, "memoId": str(addressed.pk)}).status_code == 201


def test_the_personal_data_export_holds_memos_that_the_person_has_written(owner):
    memo = MemoFactory(author=owner.user)
    MemoFactory(reader=owner.user)
    exported = owner.get("/api/v1/users/me/export").json()["data"]

    assert [row["id"] for row in exported["memos"]] == [str(memo.pk)]
