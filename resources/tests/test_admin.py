import pytest

from accounts.tests.checks import event
from accounts.tests.factories import UserFactory
from core.audit.models import AuditEvent
from core.tests.office import allow, browser_of, errors, queries_of, rows, url_of
from resources.models import Resource, Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def search(browser, **query):
    return {row.pk for row in rows(browser.get(url_of(Resource), query))}


def form_of(browser, resource):
    """Return what a browser would send back, every end of line as CRLF."""
    form = browser.get(url_of(resource, "change")).context["adminform"].form
    texts = {name: str(form[name].value() or "") for name in form.fields if name != "user"}
    return {name: text.replace("\r\n", "\n").replace("\n", "\r\n") for name, text in texts.items()}


def edit(browser, resource, **changes):
    body = {**form_of(browser, resource), **changes}
    return browser.post(url_of(resource, "change"), body, follow=True)


def stored(resource):
    return Resource.objects.with_tags().get(pk=resource.pk)


# --- the list -------------------------------------------------------------------------------------


def test_words_are_searched_as_the_api_does(browser):
    titled = ResourceFactory(title="The mínutes of spring")
    other = ResourceFactory(title="Other", content="minutes")
    ResourceFactory(title="Last-minute")
    for resource in (titled, other):
        resource.index_words([])
        resource.save()

    assert search(browser, q="MINUTES") == {titled.pk, other.pk}
    assert search(browser, q="minutes spring") == {titled.pk}
    assert search(browser, q="inutes") == set()


def test_words_are_searched_in_the_trash_by_its_filter(browser):
    resource = ResourceFactory(title="Minutes")
    resource.soft_delete()

    assert search(browser, q="minutes") == set()
    assert search(browser, q="minutes", deleted="yes") == {resource.pk}


def test_resources_are_found_by_the_address_of_their_owner(browser):
    owned = ResourceFactory(user=UserFactory(email="minutes@example.com"))
    ResourceFactory()

    assert search(browser, q="minutes@example.com") == {owned.pk}


def test_the_list_filters_by_status_and_trash(browser):
    draft = ResourceFactory(status="draft")
    trashed = ResourceFactory(status="draft")
    trashed.soft_delete()
    ResourceFactory(status="published")

    assert search(browser, status__exact="draft", deleted="no") == {draft.pk}
    assert search(browser, deleted="yes") == {trashed.pk}


@pytest.mark.parametrize(("model", "factory"), [(Resource, ResourceFactory), (Tag, TagFactory)])
def test_the_queries_of_lists_do_not_grow_with_their_rows(browser, model, factory):
    factory()
    few = queries_of(browser, url_of(model))
    factory.create_batch(5)

    assert queries_of(browser, url_of(model)) == few


@pytest.mark.parametrize("model", [Resource, Tag])
def test_staff_see_the_models_that_their_group_permits(staff, model):
    browser = browser_of(staff.user)
    assert browser.get(url_of(model)).status_code == 403

    allow(staff.user, f"resources.view_{model._meta.model_name}")
    assert browser.get(url_of(model)).status_code == 200


def test_a_hostile_title_is_escaped(browser):
    ResourceFactory(title="<script>alert(1)</script>")

    assert "<script>alert(1)" not in browser.get(url_of(Resource)).content.decode()


# --- adding and editing ---------------------------------------------------------------------------


def test_a_resource_is_added_for_another_user(browser, owner):
    body = {
        "user": owner.user.pk,
        "title": " New ",
        "content": "text",
        "status": "draft",
        "tag_names": "B\r\na\r\nb",
    }
    browser.post(url_of(Resource, "add"), body)
    resource = Resource.objects.with_tags().get()

    assert (resource.user_id, resource.title, resource.tag_list) == (owner.user.pk, "New", ["b", "a"])
    assert owner.get("/api/v1/resources", {"search": "new"}).json()["meta"]["total"] == 1
    assert (event("resource.created").actor_id, event("resource.created").target_id) == (
        browser.user.pk,
        resource.pk,
    )


def test_an_edit_updates_version_and_search_and_is_audited(browser, owner):
    resource = ResourceFactory(user=owner.user, title="Old", tags=["a"])
    edit(browser, resource, title="New", tag_names="b")

    assert stored(resource).version == resource.version + 1
    assert owner.get("/api/v1/resources", {"search": "new b"}).json()["meta"]["total"] == 1
    assert owner.get("/api/v1/resources", {"search": "old"}).json()["meta"]["total"] == 0
    assert event("resource.updated").changes == {"title": ["Old", "New"], "tags": [["a"], ["b"]]}
    assert event("resource.updated").actor_id == browser.user.pk


@pytest.mark.parametrize("content", ["", "one\ntwo\n", "one\r\ntwo\nthree", "  spaces  ", "\n\nlines first"])
def test_saving_without_a_change_changes_nothing(browser, content):
    resource = ResourceFactory(content=content, tags=["a, b", "c"])
    edit(browser, resource)

    assert (stored(resource).version, stored(resource).content) == (resource.version, content)
    assert stored(resource).tag_list == ["a, b", "c"]
    assert not AuditEvent.objects.filter(event="resource.updated").exists()


def test_a_concurrent_change_of_the_owner_is_not_overwritten(browser, owner):
    resource = ResourceFactory(user=owner.user, title="Old", content="old")
    sent = form_of(browser, resource)
    owner.patch(f"/api/v1/resources/{resource.pk}", {"content": "newer"})
    response = browser.post(url_of(resource, "change"), {**sent, "title": "New"}, follow=True)

    assert (stored(resource).title, stored(resource).content) == ("Old", "newer")
    assert "saved this meanwhile" in errors(response)["__all__"][0]


def test_the_owner_of_a_resource_cannot_be_changed(browser, owner):
    resource = ResourceFactory()
    edit(browser, resource, user=owner.user.pk, title="New")

    assert stored(resource).user_id == resource.user_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "x" * 256),
        ("content", "x" * 100_001),
        ("status", "lost"),
        ("tag_names", "x" * 51),
        ("tag_names", "\n".join(str(number) for number in range(21))),
    ],
)
def test_a_value_that_the_api_refuses_is_an_error_of_its_field(browser, field, value):
    resource = ResourceFactory()

    assert field in errors(edit(browser, resource, **{field: value}))
    assert stored(resource).version == resource.version


def test_owners_are_completed_by_address_without_deleted_users(browser):
    present, gone = UserFactory(email="ann@example.com"), UserFactory(email="anna@example.com")
    gone.soft_delete()
    query = {"app_label": "resources", "model_name": "resource", "field_name": "user", "term": "ann"}
    response = browser.get("/admin/autocomplete/", query)

    assert [row["id"] for row in response.json()["results"]] == [str(present.pk)]
