"""A cursor of the change feed from before the restore of a backup."""

import pytest

pytestmark = pytest.mark.backups

CLIENT = """
from rest_framework.test import APIClient
from accounts.models import User
from accounts.services.sessions import open_session
from resources.models import Resource
user = User.objects.get(email="client@example.com")
client = APIClient(headers={"Authorization": f"Bearer {open_session(user).access}", "Host": "localhost"})
def read(cursor):
    response = client.get("/api/v1/resources/changes", {"cursor": cursor})
    body = response.json()
    titles = [entry["object"]["title"] for entry in body.get("data", ()) if entry["type"] == "upsert"]
    return [response.status_code, titles, body["meta"]["nextCursor"] if "meta" in body else ""]
"""
SEED = """
from accounts.tests.factories import UserFactory
from resources.models import Resource
user = UserFactory(email="client@example.com")
for title in ("One", "Two"):
    Resource.objects.create(user=user, title=title)
"""
CHANGE = CLIENT + 'Resource.objects.filter(title="One").update(title="Lost")\nresult = read("")'
OTHER = (
    CLIENT
    + 'Resource.objects.filter(title="Two").update(title="Other")\nresult = [read({cursor!r}), read("")]'
)


def test_it_is_gone_and_the_client_begins_again(installation):
    installation.execute(SEED)
    before = installation.execute(CLIENT + 'result = read("")')
    name = installation.backup()
    after = installation.execute(CHANGE)
    assert (before[:2], after[:2]) == ([200, ["One", "Two"]], [200, ["Two", "Lost"]])
    installation.restore(name, "--pending-mail", "drop")

    for held in (before, after):
        of_cursor, anew = installation.execute(OTHER.replace("{cursor!r}", repr(held[2])))
        assert of_cursor[0] == 410
        assert anew[:2] == [200, ["One", "Other"]]
