"""The history of an object in the OpenAPI document."""

from typing import Any

from drf_spectacular.plumbing import ResolvedComponent

from core.web.error_schemas import UUID, Schema, object_of, register, text_of

OWNER, MEMBER, STAFF, ERASED = "owner", "member", "staff", "erased"
ACTOR = object_of(
    {
        "kind": {"type": "string", "enum": [OWNER, MEMBER, STAFF, ERASED]},
        "id": {"type": ["string", "null"], "format": "uuid"},
        "name": {"type": ["string", "null"]},
    },
    type=["object", "null"],
    description="Who did it; null where nobody did, as when a schedule ran. `member` is another user who may "
    "write the object, `erased` a person whose account has been erased. `id` and `name` are null unless it was the "
    "caller, or the caller is an admin; of an erased person always.",
    examples=[{"kind": "owner", "id": "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17", "name": "Ada Lovelace"}],
)
CHANGES: Schema = {
    "type": "object",
    "description": "By field, what it was and what it became; long texts are cut off, with their length. Empty "
    "where the name of the event is enough.",
    "additionalProperties": object_of({"before": {}, "after": {}}),
    "examples": [{"title": {"before": "Minutes", "after": "Minutes of the meeting"}}],
}
ENTRY = object_of(
    {
        "id": UUID,
        "event": text_of(
            "`<noun>.<past verb>`; there may be further ones in the future.", "resource.updated"
        ),
        "actor": ACTOR,
        "changes": CHANGES,
        "createdAt": {"type": "string", "format": "date-time"},
    }
)


def history_page(schema: Any) -> Schema:
    entry = register(schema.registry, ResolvedComponent.SCHEMA, "HistoryEntry", ENTRY)
    return {"type": "array", "items": entry}
