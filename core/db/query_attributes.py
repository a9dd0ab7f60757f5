from typing import Any


class QueryAttribute:
    """An attribute of a queryset that its clones share: it is stored on the query, which Django copies with them."""

    def __init__(self, default: Any = None) -> None:
        self.default = default

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = f"queryset_{name}"

    def __get__(self, rows: Any, _owner: type | None = None) -> Any:
        return self.default if rows is None else getattr(rows.query, self.name, self.default)

    def __set__(self, rows: Any, value: Any) -> None:
        setattr(rows.query, self.name, value)
