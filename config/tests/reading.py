"""Viewsets made for one test, asked as they are and with compiled reads switched off."""

import random

from core.api.serializers import ModelSerializer
from core.api.viewsets import BaseViewSet
from core.db import statements as compiled
from core.db.statements import statement_cache

ROUNDS = 60
ORDER = {"sort_fields": {"createdAt": "created_at"}}


def serializer(of, *names, fields=(), members=None):
    """A serializer class with these model fields, and `fields` (name, field) beside them."""
    meta = type("Meta", (), {"model": of, "fields": ("id", *names, *(name for name, _ in fields))})
    return type("Sample", (ModelSerializer,), {"Meta": meta, **dict(fields), **(members or {})})


def viewset(of, serializer_class, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer_class}
    return type("ViewSet", (BaseViewSet,), given | members)


def fast_and_plain(monkeypatch, ask):
    def told():
        answer = ask()
        body = b"" if answer.status_code >= 400 else answer.content
        return answer.status_code, body, answer.headers.get("ETag")

    fast = told()
    with monkeypatch.context() as plainly:
        plainly.setattr(compiled, "applies", lambda: False)
        return fast, told()


def check(monkeypatch, call, view, rows, callers, **request):
    """Ask in random order as everybody, lists and single objects; return the kinds of answers there were."""
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

            def ask(user=user, query=query):
                return call(view, "list", user, query=query, **request)

        else:
            key = chance.choice(rows[view.queryset.model]).pk

            def ask(user=user, key=key):
                return call(view, "retrieve", user, pk=key, **request)

        fast, plain = fast_and_plain(monkeypatch, ask)
        seen.add(plain[0])

        assert fast == plain
    return seen
