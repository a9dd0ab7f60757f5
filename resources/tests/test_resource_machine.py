"""Any order of writes to resources and tags, against the model in resource_model.py.

Each example has a user of its own, so the examples need no clean database and each step is a real commit.
"""

from functools import partial
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.tests.factories import UserFactory
from core.tests.answers import code
from core.tests.machines import having, one_of, settings_of
from resources.tests.resource_model import DEFAULTS, Model

# About ten seconds. Larger numbers make a longer search.
SETTINGS = settings_of(examples=16, steps=20)

URL, TAGS = "/api/v1/resources", "/api/v1/tags"
MISSING = "01980000-0000-7000-8000-000000000000"

optional = {
    "content": st.sampled_from(["", "text"]),
    "status": st.sampled_from(["draft", "published", "archived"]),
    "tags": st.lists(st.sampled_from("abc"), unique=True, max_size=3),
}
titles = st.sampled_from(["One", "Two", "Three"])
whole = st.fixed_dictionaries({"title": titles}, optional=optional)
partly = st.fixed_dictionaries({}, optional={"title": titles, **optional})
# Of the If-Match header: none, the present version, or an earlier one.
conditions = st.sampled_from(["none", "current", "stale"])


class ResourceMachine(RuleBasedStateMachine):
    def __init__(self, log_in):
        super().__init__()
        self.owner, self.model, self.numbers = log_in(UserFactory()), Model(), count()
        self.other = log_in(UserFactory())
        self.seen = {}  # by id: the last object that was shown, in a list or the trash
        self.versions = {}  # by id: every version so far
        self.etags = {}  # by path: the ETag of the last list
        self.sent = []  # (path, key, body, response) of what can be repeated

    @initialize(first=whole, second=whole)
    def create_three(self, first, second):
        self.create(first, False)
        self.create(second, True)
        self.create(first, True)
        self.everything_is_as_in_the_model()
        self.delete(self.active[0], "none")

    @property
    def active(self):
        return self.model.ids()

    @property
    def deleted(self):
        return self.model.ids(deleted=True)

    @property
    def tag_names(self):
        return sorted(self.model.tags)

    def condition(self, key, kind):
        """Return (If-Match header, whether it is stale). Without an earlier version another one is stale too."""
        current = self.seen[key]["version"]
        stale = next((version for version in self.versions[key] if version != current), "v0-0")
        version = {"none": None, "current": current, "stale": stale}[kind]
        return ({"If-Match": f'"{version}"'} if version else {}), kind == "stale"

    def write(self, method, path, body=None, *, key, condition="none", status=200):
        """Send a request on an object. Return whether it was done: not with a stale version."""
        headers, is_stale = self.condition(key, condition)
        response = getattr(self.owner, method)(path, body, headers=headers)
        if is_stale:
            assert code(response) == (412, "PRECONDITION_FAILED")
            assert response["ETag"].startswith(f'"{self.seen[key]["version"]}')
            return False
        assert response.status_code == status, response.content
        return True

    # --- one resource -------------------------------------------------------------------------

    def post(self, path, body, with_key):
        key = f"key-{next(self.numbers)}" if with_key else None
        response = self.owner.post(path, body, headers={"Idempotency-Key": key} if key else {})
        if key and response.status_code < 300:
            self.sent.append((path, key, body, response))
        return response

    @rule(values=whole, with_key=st.booleans())
    def create(self, values, with_key):
        response = self.post(URL, values, with_key)
        assert response.status_code == 201, response.content
        self.model.store(response.json()["data"]["id"], DEFAULTS | values)

    @having("active")
    @rule(key=one_of("active"), values=whole, condition=conditions)
    def put(self, key, values, condition):
        if self.write("put", f"{URL}/{key}", values, key=key, condition=condition):
            self.model.store(key, DEFAULTS | values)

    @having("active")
    @rule(key=one_of("active"), values=partly, condition=conditions)
    def patch(self, key, values, condition):
        if self.write("patch", f"{URL}/{key}", values, key=key, condition=condition):
            self.model.store(key, values)

    @having("active")
    @rule(key=one_of("active"), condition=conditions)
    def delete(self, key, condition):
        if self.write("delete", f"{URL}/{key}", key=key, condition=condition, status=204):
            self.model.resources[key].is_deleted = True

    @having("deleted")
    @rule(key=one_of("deleted"), condition=conditions)
    def restore(self, key, condition):
        if self.write("post", f"{URL}/{key}/restore", key=key, condition=condition):
            self.model.resources[key].is_deleted = False

    @having("deleted")
    @rule(key=one_of("deleted"))
    def write_to_the_trash(self, key):
        for method in ("get", "put", "patch", "delete"):
            assert code(getattr(self.owner, method)(f"{URL}/{key}")) == (404, "NOT_FOUND")

    @having("active")
    @rule(key=one_of("active"))
    def write_as_a_stranger(self, key):
        for method in ("get", "put", "patch", "delete"):
            assert code(getattr(self.other, method)(f"{URL}/{key}")) == (404, "NOT_FOUND")

    @having("deleted")
    @rule()
    def empty_the_trash(self):
        assert self.owner.delete(f"{URL}/trash").status_code == 204
        for key in self.deleted:
            del self.model.resources[key]

    # --- many, and again ----------------------------------------------------------------------

    @having("active")
    @rule(
        data=st.data(), refused=st.sampled_from(["", "", "title", "missing", "stale"]), with_key=st.booleans()
    )
    def bulk(self, data, refused, with_key):
        """Create, update and delete at once; one more operation that is wrong refuses them all."""
        keys = data.draw(st.lists(one_of("active"), unique=True, max_size=3), label="keys")
        methods = [data.draw(st.sampled_from(["update", "delete"]), label="method") for _ in keys]
        operations = [{"method": "create", "data": data.draw(whole, label="new")}]
        for key, method in zip(keys, methods, strict=True):
            given = {"data": data.draw(partly, label="changes")} if method == "update" else {}
            operations.append({"method": method, "id": key, **given})
        wrong = {
            "title": {"method": "create", "data": {"title": ""}},
            "missing": {"method": "delete", "id": MISSING},
            "stale": {"method": "delete", "id": self.active[0], "ifMatch": "v0-0"},
        }
        if refused == "stale":  # an object may be named once
            operations = [item for item in operations if item.get("id") != self.active[0]]
        operations += [wrong[refused]] if refused else []
        response = self.post(f"{URL}/bulk", {"operations": operations}, with_key)
        expected = {"": 200, "title": 400, "missing": 404, "stale": 412}[refused]
        assert response.status_code == expected, response.content
        if not refused:
            self.apply(operations, response.json()["data"])

    def apply(self, operations, results):
        for item, result in zip(operations, results, strict=True):
            if item["method"] == "delete":
                self.model.resources[item["id"]].is_deleted = True
            else:
                values = (DEFAULTS if item["method"] == "create" else {}) | item["data"]
                self.model.store(result["id"], values)

    @having("sent")
    @rule(sent=st.runner().flatmap(lambda machine: st.integers(0, len(machine.sent) - 1)))
    def repeat_a_request(self, sent):
        path, key, body, first = self.sent[sent]
        again = self.owner.post(path, body, headers={"Idempotency-Key": key})
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again["Idempotency-Replayed"] == "true"

    @having("sent")
    @rule(sent=st.runner().flatmap(lambda machine: st.integers(0, len(machine.sent) - 1)))
    def use_a_key_again(self, sent):
        path, key, body, _first = self.sent[sent]
        other = self.owner.post(path, {**body, "title": "Other"}, headers={"Idempotency-Key": key})
        assert code(other) == (422, "IDEMPOTENCY_KEY_REUSED")

    # --- tags ---------------------------------------------------------------------------------

    @having("tag_names")
    @rule(name=one_of("tag_names"), new=st.sampled_from("abcde"), condition=conditions)
    def rename_tag(self, name, new, condition):
        key = self.model.tags[name]
        is_taken = new != name and new in self.model.tags
        status = 409 if is_taken else 200
        done = self.write(
            "patch", f"{TAGS}/{key}", {"name": new}, key=key, condition=condition, status=status
        )
        if done and not is_taken:
            self.model.rename_tag(name, new)

    @having("tag_names")
    @rule(name=one_of("tag_names"), condition=conditions)
    def delete_tag(self, name, condition):
        key, is_used = self.model.tags[name], self.model.count(name) > 0
        status = 409 if is_used else 204
        done = self.write("delete", f"{TAGS}/{key}", key=key, condition=condition, status=status)
        if done and not is_used:
            self.model.delete_tag(name)

    # --- what is true after every step --------------------------------------------------------

    def rows(self, path):
        """Return the rows of a list. A list with an ETag has another one exactly when it differs."""
        response = self.owner.get(path, {"limit": 100})
        assert response.status_code == 200
        etag, former = response.headers.get("ETag"), self.etags.get(path)
        rows = response.json()["data"]
        if former is not None and etag == former[0]:
            assert rows == former[1]
        self.etags[path] = (etag, rows) if etag else None
        return rows

    @invariant()
    def everything_is_as_in_the_model(self):
        tags = {row["name"]: row for row in self.rows(TAGS)}
        assert {name: row["resourceCount"] for name, row in tags.items()} == {
            name: self.model.count(name) for name in self.model.tags
        }
        self.model.tags = {name: row["id"] for name, row in tags.items()}
        shown = {"tags": list(tags.values())}
        for path, is_deleted in ((URL, False), (f"{URL}/trash", True)):
            shown[path] = self.rows(path)
            assert {row["id"]: {name: row[name] for name in ("title", *DEFAULTS)} for row in shown[path]} == {
                key: self.model.resources[key].values for key in self.model.ids(deleted=is_deleted)
            }
        for row in shown[URL]:
            if row != self.seen.get(row["id"]):
                detail = self.owner.get(f"{URL}/{row['id']}")
                assert detail.json()["data"] == {**row, "attachments": []}
        self.check_versions([row for rows in shown.values() for row in rows])

    def check_versions(self, rows):
        """An object has another version exactly when it differs, which is a deletion and a restoration too."""
        for row in rows:
            former = self.seen.get(row["id"])
            self.versions.setdefault(row["id"], [])
            if former is not None:
                before, after = ({**each, "version": None, "updatedAt": None} for each in (former, row))
                assert (row["version"] != former["version"]) == (before != after), (former, row)
            self.versions[row["id"]].append(row["version"])
            self.seen[row["id"]] = row


@pytest.mark.django_db(transaction=True)
def test_resources_are_those_of_the_model(log_in):
    run_state_machine_as_test(partial(ResourceMachine, log_in), settings=SETTINGS)
