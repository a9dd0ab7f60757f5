"""Viewsets made for one test, called as they are and with compiled reads switched off."""

import random

from core.api.serializers import ModelSerializer
from core.api.viewsets import BaseViewSet
from core.db import statements as compiled
from core.db.statements import statement_cache

ROUNDS = 60
ORDER = {"sort_fields": {"createdAt": "created_at"}}


def serializer(of, *names, fields=(), members=None):
    """Return a serializer class with these model fields, and with `fields` (name, field) as declared fields."""
    meta = type("Meta", (), {"model": of, "fields": ("id", *names, *(name for name, _ in fields))})
    return type("Sample", (ModelSerializer,), {"Meta": meta, **dict(fields), **(members or {})})


def viewset(of, serializer_class, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer_class}
    return type("ViewSet", (BaseViewSet,), given | members)


def fast_and_plain(monkeypatch, send):
    def read():
        response = send()
        body = b"" if response.status_code >= 400 else response.content
        return response.status_code, body, response.headers.get("ETag")

    fast = read()
    with monkeypatch.context() as plainly:
        plainly.setattr(compiled, "applies", lambda: False)
        return fast, read()


def check(monkeypatch, call, view, rows, callers, **request):
    """Read lists and single objects in random order as every caller; return the statuses of the responses."""
    statement_cache.clear()
    chance = random.Random(view.queryset.model.__name__)
    seen = set()
    for _ in range(ROUNDS):
        user = chance.choice(callers)
        if chance.random() < 0.5:
            query = {"limit": chance.choice([2, 20]), "page": chance.choice([1, 2])}
            if chance.random() < 0.3:
                query["scope"] = chance.choice(["all", "none"])
            if chance.random() < 0.3:
                query["fields"] = "id"

            def send(user=user, query=query):
                return call(view, "list", user, query=query, **request)

        else:
            key = chance.choice(rows[view.queryset.model]).pk

            def send(user=user, key=key):
                return call(view, "retrieve", user, pk=key, **request)

        fast, plain = fast_and_plain(monkeypatch, send)
        seen.add(plain[0])

        assert fast == plain
    return seen
