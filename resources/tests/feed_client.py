"""A client that follows the change feed, and holds what it was told."""

from itertools import repeat

FEED = "/api/v1/resources/changes"
LIST = "/api/v1/resources"


class FeedClient:
    """Holds the objects as `held`, and every entry in the order in which it came as `told`."""

    def __init__(self, caller, cursor=""):
        self.caller, self.cursor = caller, cursor
        self.held, self.told = {}, []

    def page(self, limit=100, **query):
        """Read one page, and return the number of its entries."""
        response = self.caller.get(FEED, {"cursor": self.cursor, "limit": limit, **query})
        assert response.status_code == 200, response.content
        body = response.json()
        for entry in body["data"]:
            self.told.append(entry)
            if entry["type"] == "upsert":
                self.held[entry["object"]["id"]] = entry["object"]
            else:
                self.held.pop(entry["id"], None)
        self.cursor = body["meta"]["nextCursor"]
        return len(body["data"])

    def catch_up(self, limits=None):
        """Read to the end, with pages of these sizes. Return what was told, as `title` and `-id`."""
        before, limits = len(self.told), limits or repeat(100)
        number = 1
        while number:
            number = self.page(next(limits))
        return [named(entry) for entry in self.told[before:]]


def named(entry):
    return entry["object"]["title"] if entry["type"] == "upsert" else f"-{entry['id']}"


def listed(caller):
    """Return {id: object} of the caller's list, as a client sees it that walks it by cursor."""
    rows, cursor = {}, ""
    while cursor is not None:
        body = caller.get(LIST, {"cursor": cursor, "limit": 100}).json()
        rows |= {row["id"]: row for row in body["data"]}
        cursor = body["meta"]["nextCursor"]
    return rows
