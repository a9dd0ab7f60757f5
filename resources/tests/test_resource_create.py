import pytest

pytestmark = pytest.mark.django_db


def test_creates_for_the_caller(owner):
    answer = owner.post("/api/v1/resources", {"title": "  First  ", "tags": ["B", "a", "b"]})

    assert answer.status_code == 201
    assert answer.json()["data"]["title"] == "First"
    assert answer.json()["data"]["tags"] == ["b", "a"]
    assert answer.json()["data"]["userId"] == str(owner.user.pk)
