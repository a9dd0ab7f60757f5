from io import StringIO

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from core.backups.anonymization import replace_rows
from core.db.anonymization import replacements
from core.db.sort_keys import SortKeyField, sort_key


@pytest.fixture
def letter(transactional_db):
    """Return a model whose managers hide a part of its rows."""
    with isolate_apps("core.db"):

        class Shown(models.Manager):
            def get_queryset(self):
                return super().get_queryset().filter(is_hidden=False)

        class Letter(models.Model):
            name = models.CharField(max_length=50)
            name_sort = SortKeyField("name")
            is_hidden = models.BooleanField(default=False)
            objects = Shown()

            class Meta:
                app_label = "core_db"
                base_manager_name = "objects"

            def __str__(self):
                return self.name

    with connection.schema_editor() as editor:
        editor.create_model(Letter)
    yield Letter
    with connection.schema_editor() as editor:
        editor.delete_model(Letter)


def test_rows_that_managers_hide_are_replaced_with_their_sort_keys(letter):
    models.QuerySet(letter).bulk_create(
        [letter(name=f"Ada {is_hidden}", is_hidden=is_hidden) for is_hidden in (False, True)]
    )
    functions, missing = replacements(letter)
    number = replace_rows(letter, functions, StringIO())

    names = ["name 1", "name 2"]
    assert (number, missing) == (2, [])
    assert list(models.QuerySet(letter).order_by("pk").values_list("name", "name_sort")) == [
        (name, sort_key(name)) for name in names
    ]
