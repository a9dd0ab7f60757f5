"""The record of what startresource made, the list of apps, and what `manage.py removeresource` refuses."""

import re

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from core.scaffold import app_list, record
from core.scaffold.removal import importing, refuse_used, remove, tables_of
from core.scaffold.writing import away_of

LIST = '"""The apps."""\n\nLOCAL_APPS: list[str] = [\n    "resources",\n]\n'


@pytest.fixture
def project(settings, tmp_path):
    """Return the folder of a project with the app `parcels`, as if startresource had made it."""
    settings.BASE_DIR = tmp_path
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "local_apps.py").write_text(LIST)
    (tmp_path / "parcels" / "tests").mkdir(parents=True)
    (tmp_path / "parcels" / "models.py").write_text("one")
    (tmp_path / "parcels" / "tests" / "test_parcels.py").write_text("two")
    record.write(tmp_path / "parcels", "parcel", ["parcel", "code:str"])
    return tmp_path


def test_a_line_comes_and_goes_without_a_trace(project):
    app_list.path().write_text(app_list.with_line("parcels"))

    assert app_list.path().read_text() == LIST.replace("[\n", '[\n    "parcels",\n', 1)
    assert app_list.without_line("parcels") == LIST


def test_a_list_in_another_form_is_not_touched(project):
    app_list.path().write_text("LOCAL_APPS = ['resources']\n")

    for edited in (app_list.with_line, app_list.without_line):
        with pytest.raises(ValueError, match=r"local_apps\.py has no line"):
            edited("parcels")


def test_a_record_tells_what_differs(project):
    made = record.read("parcels")
    assert (made["name"], record.differences("parcels", made)) == ("parcel", [])

    (project / "parcels" / "models.py").write_text("other")
    (project / "parcels" / "tests" / "test_parcels.py").unlink()
    (project / "parcels" / "services.py").write_text("three")
    (project / "parcels" / "__pycache__").mkdir()
    (project / "parcels" / "__pycache__" / "models.pyc").write_text("")
    assert record.differences("parcels", made) == [
        "changed: parcels/models.py",
        "added: parcels/services.py",
        "removed: parcels/tests/test_parcels.py",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "parcel"}', '{"files": []}'])
def test_a_damaged_record_is_none(project, text):
    (project / "parcels" / record.NAME).write_text(text)

    assert record.read("parcels") is None


@pytest.mark.parametrize("name", ["resource", "parcel", ""])
def test_a_resource_that_was_written_by_hand_is_not_removed(name):
    with pytest.raises(CommandError, match=re.escape(f"startresource made no {name!r} here; it made none.")):
        call_command("removeresource", name)


def test_an_app_is_not_removed_while_migrations_or_imports_of_others_need_it():
    with pytest.raises(CommandError, match="Remove what refers to it first") as refused:
        refuse_used(apps.get_app_config("accounts"))

    assert "core_jobs/migrations/0001_initial.py" in str(refused.value)
    assert "config/admin.py" in importing("accounts")


@pytest.mark.parametrize("is_moved", [False, True])
def test_both_commands_name_the_cure_of_an_app_that_was_interrupted(project, is_moved):
    if is_moved:
        away_of(project / "parcels").parent.mkdir()
        (project / "parcels").rename(away_of(project / "parcels"))
    cure = r'parcels/.* add the line `"parcels",` to LOCAL_APPS, and run `manage.py removeresource`'

    with pytest.raises(CommandError, match=cure):
        call_command("removeresource", "parcel")
    with pytest.raises(CommandError, match=cure):
        call_command("startresource", "parcel", "code:str")


def test_an_app_that_is_a_symbolic_link_is_refused_before_anything_is_removed(project):
    (project / "accounts").symlink_to(project / "parcels")
    before = app_list.path().read_text()

    with pytest.raises(CommandError, match="accounts is a symbolic link"):
        remove(apps.get_app_config("accounts"), {app_list.path(): "LOCAL_APPS = []"})
    assert app_list.path().read_text() == before


@pytest.mark.django_db
@pytest.mark.parametrize("failing", [".local_apps.py.new", ".local_apps.py.old", "accounts"])
def test_no_table_is_removed_where_a_file_cannot_be(project, failing):
    """Without a `manage.py` in the project the removal of the tables fails, and undoes what came before."""
    app_list.path().write_text(app_list.with_line("accounts"))
    (project / "accounts").mkdir()
    (project / "config" / failing).mkdir()
    before = sorted(project.rglob("*"))

    with pytest.raises(CommandError, match="Nothing was changed"):
        remove(apps.get_app_config("accounts"), {app_list.path(): "LOCAL_APPS = []"})
    assert sorted(project.rglob("*")) == before
    assert app_list.has("accounts")
    assert tables_of(apps.get_app_config("accounts"))
