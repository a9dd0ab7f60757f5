"""Values as the columns and fields of the admin show them."""

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.web.text import shortened

SHORT = 60


def short(text: str) -> str:
    """Return the text, or its beginning and an ellipsis where a column has no room for more."""
    return shortened(text, SHORT)


def as_json(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
