"""Whoever adds a table about people is reminded to export it."""

from django.contrib.auth import get_user_model

from core.db import privacy as export


def test_every_model_that_points_to_a_user_is_in_the_export():
    pointing = {relation.related_model for relation in get_user_model()._meta.related_objects}

    assert pointing - export.covered == set()


def test_the_rows_that_point_to_a_user_go_with_them():
    kept = [
        relation.related_model.__name__
        for relation in get_user_model()._meta.related_objects
        if relation.on_delete.__name__ != "CASCADE"
    ]

    assert kept == []
