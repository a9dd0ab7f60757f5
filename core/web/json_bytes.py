"""JSON as bytes."""

import json
from collections.abc import Callable
from typing import Any

import orjson

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
    """Return the value as orjson writes it. `default` returns what stands for an object of another type, or raises
    TypeError.

    A number of more than 64 bits, which orjson refuses, is written by the standard library: PostgreSQL returns 1e20 of
    a JSON column as such a number, and one row must not fail a list.
    """
    try:
        return orjson.dumps(value, default=default, option=OPTIONS)
    except TypeError:

        def plain(item: Any) -> Any:
            return json.loads(orjson.dumps(item, default=default, option=OPTIONS))

        return json.dumps(value, default=plain, ensure_ascii=False, separators=(",", ":")).encode()
