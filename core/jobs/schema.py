"""Results of jobs in the OpenAPI document."""

from typing import Any

from core.web.error_schemas import Schema, object_of, text_of
from core.web.errors import CATALOGUE


def count_of(description: str, example: int) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description, "examples": [example]}


EXPORT_RESULT = object_of(
    {
        "format": {"type": "string", "enum": ["csv", "json"]},
        "rows": count_of("Rows in the file.", 2),
        "filename": {"type": "string", "examples": ["resources-2026-03-14.csv"]},
        "contentType": {"type": "string", "examples": ["text/csv; charset=utf-8"]},
        "size": count_of("Bytes.", 512),
        "url": text_of(
            "Serves the file without a token, for five minutes: request the job again for a new one. Null when the "
            "file has been deleted, by its owner or seven days after the job, and when the role of the caller is no "
            "longer that of the job.",
            "/api/v1/files?token=eyJkaXNwb3Np.3Jt0dGhpcyBpcyBub3Q",
            type=["string", "null"],
        ),
    },
    title="Export",
)
ROW_ERROR = object_of(
    {
        "row": {
            "type": "integer",
            "minimum": 1,
            "description": "1 is the row below the header; empty rows count.",
        },
        "field": {"type": ["string", "null"], "examples": ["title"]},
        "code": {"type": "string", "examples": ["blank"]},
        "message": {"type": "string", "examples": ["This field may not be blank."]},
    }
)
IMPORT_RESULT = object_of(
    {
        "dryRun": {
            "type": "boolean",
            "description": "Nothing was written; the counts are those of an import.",
        },
        "rows": count_of("Rows that were read, without empty ones.", 3),
        "created": count_of("New objects.", 1),
        "updated": count_of("Objects that a row has changed.", 1),
        "unchanged": count_of("Objects that were equal to their row already.", 0),
        "failed": count_of("Rows with errors; nothing of them was stored.", 1),
        "ignoredColumns": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Columns of a CSV file that are unknown or cannot be written.",
            "examples": [["userId"]],
        },
        "errors": {
            "type": "array",
            "items": ROW_ERROR,
            "description": "By row; no more than the first 1,000.",
        },
        "errorsTruncated": {"type": "boolean", "description": "There were more errors than are listed."},
    },
    title="Import",
    description="Also of a job that has failed or was cancelled, once it has done something.",
)
SUMMARY_RESULT = object_of(
    {
        "summary": text_of(
            "Plain text of at most 2,000 characters. Null in lists, and when the caller may no longer read the object.",
            "Two sentences about the text.",
            type=["string", "null"],
        ),
        "model": {"type": "string", "examples": ["gpt-4.1-mini"]},
    },
    title="Summary",
)
RESULT: Schema = {
    "description": "By kind of job; null before it has one.",
    "oneOf": [EXPORT_RESULT, IMPORT_RESULT, SUMMARY_RESULT, {"type": "null"}],
}
# No job proves an identity. A new code that only requests have belongs here: a value more breaks typed clients.
ONLY_OF_REQUESTS = frozenset({"STEP_UP_REQUIRED", "MFA_REQUIRED", "MFA_INVALID", "MFA_ENROLLMENT_REQUIRED"})
FAILURE: dict[str, Any] = {
    "code": {"type": "string", "enum": [code for code in CATALOGUE if code not in ONLY_OF_REQUESTS]},
    "message": {"type": "string"},
    "details": {"type": "array", "items": {"type": "object"}},
}
ERROR: Schema = {
    "description": "Why it has failed; null unless it has.",
    "oneOf": [{"type": "null"}, object_of(FAILURE)],
}
