"""docs/operations.md has every log event and every metric of the product."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from core.backups.collector import TEXTS
from core.web import metrics

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "operations.md").read_text()
CALL = re.compile(r'\blog\.(?:debug|info|warning|error|exception|critical)\(\s*"(\w+)"')
EVENT = re.compile(r"`(\w+)`")
METRIC = re.compile(r"^# TYPE (\w+) \w+$", re.MULTILINE)
OF_THE_LIBRARY = ("python_", "process_")


def product_files():
    for folder in ("config", "core", "accounts"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts)


def test_every_log_event_is_described():
    table = PAGE.partition("| `message` | level | means |")[2].partition("\n\n")[0]
    described = set(EVENT.findall("\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row)))
    logged = {event for path in product_files() for event in CALL.findall(path.read_text())}

    assert logged - described == set()


@pytest.mark.django_db
def test_every_metric_is_described():
    ours = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for registry in (REGISTRY, metrics.build_registry, metrics.database_registry)
        for family in registry.collect()
        if not family.name.startswith(OF_THE_LIBRARY)
    }

    assert {name for name in ours | set(TEXTS) if f"`{name}`" not in PAGE} == {"build"}  # shown as build_info
