"""The history of an object in the OpenAPI document. What it holds is in core/api/mixins/history.py."""

from typing import Any

from drf_spectacular.plumbing import ResolvedComponent

from core.web.error_schemas import register

Schema = dict[str, Any]

ACTOR: Schema = {
    "type": ["object", "null"],
    "description": "Who did it; null where nobody did, as when a schedule ran. Who of the staff it was only an "
    "admin learns, and nobody learns who an erased person was: `id` and `name` are null then.",
    "required": ["kind", "id", "name"],
    "properties": {
        "kind": {"type": "string", "enum": ["owner", "staff"]},
        "id": {"type": ["string", "null"], "format": "uuid"},
        "name": {"type": ["string", "null"]},
    },
    "examples": [{"kind": "owner", "id": "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17", "name": "Ada Lovelace"}],
}
CHANGES: Schema = {
    "type": "object",
    "description": "By field, what it was and what it became; long texts are cut off, with their length. Empty "
    "where the event says it all.",
    "additionalProperties": {
        "type": "object",
        "required": ["before", "after"],
        "properties": {"before": {}, "after": {}},
    },
    "examples": [{"title": {"before": "Minutes", "after": "Minutes of the meeting"}}],
}
ENTRY: Schema = {
    "type": "object",
    "required": ["id", "event", "actor", "changes", "createdAt"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "event": {
            "type": "string",
            "description": "`<noun>.<past verb>`; there may be further ones in the future.",
            "examples": ["resource.updated"],
        },
        "actor": ACTOR,
        "changes": CHANGES,
        "createdAt": {"type": "string", "format": "date-time"},
    },
}


def history_page(schema: Any) -> Schema:
    entry = register(schema.registry, ResolvedComponent.SCHEMA, "HistoryEntry", ENTRY)
    return {"type": "array", "items": entry}
