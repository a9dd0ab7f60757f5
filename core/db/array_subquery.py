"""A list of values from another table, in the statement of the row that they belong to."""

import json
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet


class OrderedValues(ArraySubquery):
    """The values of `item` of a queryset, in its order, as a list: `OrderedValues(rows.values(item=F("tag__name")))`.

    An array on PostgreSQL, a JSON array on SQLite. A join with GROUP BY would group every row before the LIMIT.
    """

    def __init__(self, queryset: QuerySet[Any, Any], **kwargs: Any) -> None:
        super().__init__(queryset, **kwargs)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template='(SELECT json_group_array("item") FROM (%(subquery)s))', **context
        )

    def get_db_converters(self, connection: Any) -> list[Any]:
        if connection.vendor == "sqlite":
            return [lambda value, _expression, _connection: json.loads(value)]
        return super().get_db_converters(connection)
