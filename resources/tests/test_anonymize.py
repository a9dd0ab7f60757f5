import pytest

from core.db.anonymization import derived
from core.db.search import index_text
from resources.models import Resource
from resources.tests.factories import ResourceFactory


@pytest.mark.django_db
def test_the_words_for_the_search_follow_title_content_and_tags():
    ResourceFactory(title="Old", content="text", tags=["a", "b"])
    row = derived[Resource].rows().get()
    row.title = "title 1"
    derived[Resource].fill(row)

    assert row.search_text == index_text("title 1", ("a", "b", "text"))
