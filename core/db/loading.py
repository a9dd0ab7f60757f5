"""Many new rows at once, for commands that fill a database: COPY on PostgreSQL, elsewhere inserts in batches."""

from collections.abc import Sequence
from operator import attrgetter

from django.db import connection
from django.db.models import AutoField, Model

BATCH = 500


def load_rows(rows: Sequence[Model]) -> None:
    """Store new rows of one model as they are, without `save()`. They do not learn the keys that the database gives.

    COPY knows no limit of parameters. It takes the values without the preparation of Django's fields, which costs
    more than sending them: psycopg knows texts, numbers, times and UUIDs, and refuses what it does not know.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(rows, batch_size=BATCH)
        return
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    statement = f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN"
    values = attrgetter(*(field.attname for field in fields))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(values(row))
