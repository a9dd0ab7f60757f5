import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models

from core.web.prompts import utf8

MAX_ROWS = 1000  # of each model
# What is printed of a row where its model has it and it is not empty. No payload: it may hold an address or a link.
FIELDS = (
    *("status", "attempts", "crashes", "due_at", "finished_at", "last_error", "error"),
    *("actor_id", "subject_id", "target_type", "target_id", "user_id", "ip_address", "user_agent", "changes"),
)


class Command(BaseCommand):
    help = (
        "Print what a request has left in the database, oldest first: audit events, jobs and messages of the outbox "
        "(emails), and the rows of every other model with a text column `request_id`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "id", help="X-Request-Id of its response, `requestId` of its error or of its log line"
        )
        parser.add_argument("--json", action="store_true", help="print [{at, model, id, summary, …}]")

    def handle(self, **options: Any) -> None:
        rows = sorted(rows_of(utf8("ID", options["id"])), key=in_time)
        if not rows:
            raise CommandError(
                f"ID {options['id']!r}: no row has this request id. The request changed nothing, or what it left is "
                "purged. Its log line has the id too."
            )
        if options["json"]:
            self.stdout.write(json.dumps(rows, default=str, ensure_ascii=False))
            return
        for row in rows:
            at, model, key, summary = (row.pop(name) for name in ("at", "model", "id", "summary"))
            self.stdout.write(self.style.MIGRATE_HEADING(f"{printed_time(at)}  {model}  {summary}"))
            self.stdout.write(f"  id: {key}")
            for name, value in row.items():
                self.stdout.write(f"  {name}: {value}")


def in_time(row: dict[str, Any]) -> tuple[bool, Any, str]:
    """Return the key of a row, the oldest first. Rows of models without `created_at` are the last."""
    return row["at"] is None, row["at"], row["id"]


def printed_time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f} UTC" if at else "at an unknown time"


def rows_of(request_id: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of every model with a text column `request_id`: {at, model, id, summary, …}."""
    for model in apps.get_models():
        fields = {field.attname: field for field in model._meta.concrete_fields}
        if not isinstance(fields.get("request_id"), models.CharField | models.TextField):
            continue  # without it, or with a relation `request` to a model of an app
        for row in model._base_manager.filter(request_id=request_id)[:MAX_ROWS]:
            values = {name: getattr(row, name) for name in FIELDS if name in fields}
            yield {
                "at": getattr(row, "created_at", None),
                "model": str(model._meta.verbose_name),
                "id": str(row.pk),
                "summary": str(row),
                **{name: value for name, value in values.items() if value not in (None, "", {}, 0)},
            }
