"""The three private names of dependencies that this project uses (docs/architecture.md, *Private names*).

A test that fails here means that a new release has changed one of them.
"""

from django.http import HttpResponse
from environs import Env
from rest_framework import serializers


def test_environs_reads_every_variable_by_get_value(monkeypatch):
    monkeypatch.setenv("GROUNDWORK_PROBE", "text")

    class Probe(Env):
        def _get_value(self, env_key, default):
            return "7"

    env = Probe()

    assert (env.int("GROUNDWORK_PROBE"), env.str("GROUNDWORK_PROBE")) == (7, "7")


def test_rest_framework_collects_declared_fields():
    class Probe(serializers.Serializer):
        title = serializers.CharField()

    assert list(Probe._declared_fields) == ["title"]


def test_django_stores_headers_by_their_lower_case_name():
    response = HttpResponse(headers={"Cache-Control": "no-store"})

    assert response.headers._store["cache-control"] == ("Cache-Control", "no-store")

    response.headers._store = {"x-request-id": ("X-Request-ID", "1")}

    assert dict(response.items()) == {"X-Request-ID": "1"}
