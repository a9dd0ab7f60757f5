"""Anonymization of a column, by its field and by the declarations of its app."""

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from core.db import anonymization
from core.db.anonymization import masked, replacements
from core.db.sort_keys import SortKeyField


@pytest.fixture
def person():
    """Return a model with a column of each kind."""
    with isolate_apps("core.db"):

        class Person(models.Model):
            name = models.CharField(max_length=100)
            name_sort = SortKeyField("name")
            short = models.CharField(max_length=3, unique=True)
            status = models.CharField(max_length=10, choices=[("a", "A")])
            note = models.TextField()
            email = models.EmailField()
            site = models.URLField()
            slug = models.SlugField()
            address = models.GenericIPAddressField()
            address6 = models.GenericIPAddressField(protocol="IPv6")
            data = models.JSONField()
            raw = models.BinaryField()
            born = models.DateField()
            size = models.IntegerField()

            class Meta:
                app_label = "core_db"

            def __str__(self):
                return self.name

        yield Person


VALUES = {
    "name": "name 1234",
    "short": "234",
    "note": "Sample text of",
    "email": "user1234@example.com",
    "site": "https://example.com/1234",
    "slug": "slug-1234",
    "address": "192.0.2.1",
    "address6": "2001:db8::1",
    "data": {"name": "text", "rows": [{"at": 1, "ok": True, "x": None, "y": ""}]},
    "raw": b"",
}
PRESENT = {"note": "x" * 14, "data": {"name": "Ada", "rows": [{"at": 1, "ok": True, "x": None, "y": ""}]}}


def test_texts_are_replaced_by_their_kind_and_the_rest_stays(person):
    functions, missing = replacements(person)

    assert {name: make(1234, PRESENT.get(name)) for name, make in functions.items()} == VALUES
    assert missing == []


def test_what_is_declared_comes_first(person, monkeypatch):
    monkeypatch.setitem(anonymization.preserved, person, frozenset({"short", "slug"}))
    monkeypatch.setitem(anonymization.replaced, person, {"size": lambda _number, _value: 0})
    monkeypatch.setitem(anonymization.derived, person, anonymization.Derived(("note",), None, None))
    functions, _missing = replacements(person)

    assert functions.keys() == (VALUES.keys() | {"size"}) - {"short", "slug", "note"}


def test_all_columns_of_a_model_may_stay(person, monkeypatch):
    monkeypatch.setitem(anonymization.preserved, person, None)

    assert replacements(person) == ({}, [])


def test_what_no_kind_covers_is_named():
    with isolate_apps("core.db"):

        class Paper(models.Model):
            code = models.CharField(max_length=10, primary_key=True)
            scan = models.FileField()

            class Meta:
                app_label = "core_db"

            def __str__(self):
                return self.code

        class Page(models.Model):
            paper = models.ForeignKey(Paper, on_delete=models.CASCADE)  # holds the code too

            class Meta:
                app_label = "core_db"

            def __str__(self):
                return str(self.pk)

        class Legacy(models.Model):
            name = models.TextField()

            class Meta:
                app_label = "core_db"
                managed = False

            def __str__(self):
                return self.name

        assert replacements(Paper) == ({}, ["code", "scan"])
        assert replacements(Page) == ({}, ["paper"])
        assert replacements(Legacy) == ({}, ["(unmanaged)"])


def test_a_declared_name_that_is_no_column_is_named(person, monkeypatch):
    monkeypatch.setitem(anonymization.replaced, person, {"nmae": lambda _number, _value: ""})
    monkeypatch.setitem(anonymization.preserved, person, frozenset({"emial"}))

    assert replacements(person)[1] == ["emial", "nmae"]


def test_a_primary_key_cannot_be_replaced(person, monkeypatch):
    monkeypatch.setitem(anonymization.replaced, person, {"id": lambda number, _value: number})

    assert "id" in replacements(person)[1]


def test_declarations_of_several_apps_add_up(person, monkeypatch):
    for registry in (anonymization.replaced, anonymization.preserved):
        monkeypatch.setitem(
            registry, person, {} if registry is anonymization.replaced else frozenset({"slug"})
        )
    anonymization.replaces(person, size=lambda _number, _value: 0)
    anonymization.replaces(person, born=lambda _number, _value: None)
    anonymization.preserves(person, "short")

    functions, missing = replacements(person)
    assert {"size", "born"} <= functions.keys()
    assert not {"short", "slug"} & functions.keys()
    assert missing == []


def test_the_key_of_a_generic_relation_stays():
    with isolate_apps("core.db"):

        class Label(models.Model):
            content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
            object_id = models.CharField(max_length=40)
            target = GenericForeignKey()

            class Meta:
                app_label = "core_db"

            def __str__(self):
                return self.object_id

        assert replacements(Label)[0] == {}


def test_the_names_in_json_stay():
    assert masked({"a": ["b", {"c": "d"}], "e": 1.5}) == {"a": ["text", {"c": "text"}], "e": 1.5}
