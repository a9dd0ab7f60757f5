"""Personal data of this app for `anonymize`. The export has it by the viewsets."""

from core.db.anonymization import derives
from resources.models import Resource


@derives(Resource, "search_text", rows=Resource.objects.with_tags)
def words(resource: Resource) -> None:
    resource.index_words(resource.tag_list)
