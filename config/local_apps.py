"""The apps built on core and accounts, one line each.

`INSTALLED_APPS`, URLs, tags of the OpenAPI document, the checks of types, imports and coverage, and the tests of the
project's conventions follow from this list.
"""

LOCAL_APPS: list[str] = [
    "resources",
]
