"""The files that `manage.py setup` writes, and its refusals. `make test-adoption` runs it in a copy."""

import runpy
import shutil
import subprocess

import pytest
import time_machine
from django.core.management import CommandError, call_command

from core.scaffold import product
from core.scaffold.writing import away_of

pytestmark = pytest.mark.once

README = """# First

<!-- introduction: removed -->
First is for everybody.
<!-- /introduction -->

Ours.

<!-- introduction: removed -->
| a | table |
<!-- /introduction -->

## Licence

MIT, see [LICENSE](LICENSE).
"""
LICENCE = "MIT License\n\nCopyright (c) 2026 The first authors\n\nPermission is hereby granted.\n"
PRODUCT = product.Product("First", "noreply@localhost", {"name": "MIT", "identifier": "MIT"})
APPS = "LOCAL_APPS: list[str] = [\n]\n"
OPTIONS = {"name": "Acme", "sender": "noreply@acme.example", "licence": "proprietary", "holder": "Acme Inc."}
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com")


@pytest.fixture
def project(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "product.py").write_text(PRODUCT.source)
    (tmp_path / "config" / "local_apps.py").write_text(APPS)
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "LICENSE").write_text(LICENCE)
    return tmp_path


@pytest.fixture
def repository(project):
    if shutil.which("git") is None:
        pytest.skip("git is missing")
    subprocess.run([*GIT, "init", "--quiet"], cwd=project, check=True)
    commit(project)
    return project


@pytest.fixture
def type_lines(monkeypatch):
    """Type lines at the prompts, and return the prompts."""

    def typing(*lines):
        prompts, waiting = [], iter(lines)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("builtins.input", lambda prompt: prompts.append(prompt) or next(waiting))
        return prompts

    return typing


def commit(folder):
    subprocess.run([*GIT, "add", "."], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "--message", "All"], cwd=folder, check=True)


def set_up(**options):
    call_command("setup", **{"interactive": False, **options})


def texts_of(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def test_the_options_are_in_the_files(project, capsys):
    set_up(**OPTIONS)

    values = runpy.run_path(str(project / "config" / "product.py"))
    assert (values["NAME"], values["SENDER"]) == ("Acme", "noreply@acme.example")
    assert values["LICENCE"] == {"name": "Proprietary"}
    assert (project / "README.md").read_text() == (
        "# Acme\n\nOurs.\n\n## Licence\n\nProprietary, see [LICENSE](LICENSE).\n"
    )
    printed = capsys.readouterr().out
    assert "  config/product.py\n" in printed
    assert "PRODUCT_NAME of the environment or of .env is used" in printed


def test_a_second_run_changes_nothing(project, capsys):
    set_up(**OPTIONS)
    before = texts_of(project)
    with time_machine.travel("2031-01-01T12:00:00Z"):
        set_up(**OPTIONS)

    assert texts_of(project) == before
    assert capsys.readouterr().out.endswith("Nothing to change.\n")


def test_another_run_changes_the_name_again(project):
    set_up(**OPTIONS)
    readme = project / "README.md"
    readme.write_text(readme.read_text().replace("Ours.", "Written by us."))
    set_up(name="Blue Wheels")

    assert readme.read_text().startswith("# Blue Wheels\n\nWritten by us.\n")
    assert (product.read().name, product.read().sender) == ("Blue Wheels", "noreply@acme.example")


@pytest.mark.parametrize(
    "name", ['The "A" Team', "Ben & Jerry's", r"C:\new\x", "Моё дело", "{name} %s", "x" * 60]
)
def test_a_name_of_any_signs_is_read_as_it_was_written(project, name):
    set_up(name=name)

    assert product.read().name == runpy.run_path(str(product.path()))["NAME"] == name
    assert (project / "README.md").read_text().startswith(f"# {name}\n")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": ""}, "--name: one line"),
        ({"name": "  "}, "--name: one line"),
        ({"name": "x" * 61}, "--name: at most 60 characters"),
        ({"name": "a\nb"}, "--name: one line"),
        ({"name": "a\x1b[31mb"}, "--name: one line"),
        ({"name": "a\u202eb"}, "--name: one line"),
        ({"name": "a\udc80b"}, "--name: this is not valid UTF-8"),
        ({"name": "a" + "\u0301" * 40}, "--name: At most 30 combining marks"),
        ({"sender": "nobody"}, "--sender: one email address"),
        ({"sender": "Acme <a@acme.example>"}, "--sender: one email address"),
        ({"sender": "a@acme.example, b@acme.example"}, "--sender: one email address"),
        ({"sender": "a@acme.example\nBcc: b@acme.example"}, "--sender: one line"),
        ({"sender": f"{'a' * 250}@acme.example"}, "--sender: at most 254 characters"),
        ({"sender": "bü@acme.example"}, "--sender: one email address"),
        ({"licence": "mit"}, "--holder: --licence mit needs it"),
        ({"licence": "proprietary", "holder": " "}, "--holder: one line"),
        ({"licence": "proprietary", "holder": "x" * 101}, "--holder: at most 100 characters"),
        ({"holder": "Acme"}, "--holder: only with --licence"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(project, options, problem):
    before = texts_of(project)

    with pytest.raises(CommandError, match=problem):
        set_up(**{"name": "Acme", **options})
    assert texts_of(project) == before


def test_a_sender_has_the_domain_that_dns_knows(project):
    set_up(sender="noreply@bücher.example")

    assert product.read().sender == "noreply@xn--bcher-kva.example"


@time_machine.travel("2027-06-01T12:00:00Z")
def test_a_licence_keeps_the_text_that_it_was_given_under(project):
    licence = project / "LICENSE"
    set_up(licence="mit", holder="Acme")
    ours = LICENCE.replace("Copyright", "Copyright (c) 2027 Acme\nCopyright", 1)

    assert licence.read_text() == ours
    set_up(licence="proprietary", holder="Acme Inc.")
    line, _, rest = licence.read_text().partition("\n\n")
    assert line == "Copyright (c) 2027 Acme Inc. All rights reserved."
    assert rest == f"Parts of this software have this licence:\n\n{LICENCE}"
    set_up(licence="mit", holder="Acme")
    assert licence.read_text() == ours


def test_a_licence_that_was_written_by_hand_is_not_touched(project):
    (project / "LICENSE").write_text("Ours alone.\n")
    before = texts_of(project)

    with pytest.raises(CommandError, match="--licence: LICENSE is not the text that this project came with"):
        set_up(name="Acme", licence="mit", holder="Acme")
    assert texts_of(project) == before
    set_up(name="Acme", licence="keep")
    assert (project / "LICENSE").read_text() == "Ours alone.\n"


def test_constants_in_another_form_are_not_touched(project):
    (project / "config" / "product.py").write_text("NAME = str(1)\n")

    with pytest.raises(CommandError, match=r"config/product\.py does not have NAME, SENDER and LICENCE"):
        set_up(name="Acme")
    assert (project / "config" / "product.py").read_text() == "NAME = str(1)\n"


def test_a_dry_run_prints_the_changes_and_writes_none(project, capsys):
    before = texts_of(project)
    set_up(**OPTIONS, dry_run=True)

    printed = capsys.readouterr().out
    assert '-NAME = "First"\n' in printed
    assert '+NAME = "Acme"\n' in printed
    assert texts_of(project) == before


def test_changes_that_are_in_no_commit_are_not_overwritten(repository):
    (repository / "notes.txt").write_text("Not of the command.")
    (repository / "README.md").write_text(README + "More.\n")

    with pytest.raises(CommandError, match=r"in no commit:\n  README.md\nUse --with-changes") as refused:
        set_up(name="Acme")
    assert "notes" not in str(refused.value)
    assert product.read() == PRODUCT
    set_up(name="Acme", with_changes=True)
    assert product.read().name == "Acme"
    assert (repository / "README.md").read_text().endswith("More.\n")


def test_what_is_in_a_commit_may_be_written(repository):
    set_up(name="Acme")
    commit(repository)
    set_up(name="Blue Wheels")

    assert product.read().name == "Blue Wheels"


def test_no_file_is_written_where_one_cannot_be(project):
    before = texts_of(project)
    (project / ".README.md.new").mkdir()

    with pytest.raises(CommandError, match="Nothing was changed"):
        set_up(**OPTIONS)
    assert texts_of(project) == before


@pytest.mark.parametrize("is_moved", [False, True])
def test_an_example_whose_removal_was_interrupted_is_named(project, is_moved):
    folder = project / "resources"
    present = away_of(folder) if is_moved else folder
    present.mkdir(parents=True)
    (present / "models.py").touch()

    with pytest.raises(CommandError, match=r'resources.*add the line `"resources",` to LOCAL_APPS'):
        set_up(removes_example=True)


def test_it_prompts_for_what_is_not_given_until_it_is_right(project, type_lines, capsys):
    prompts = type_lines("x" * 61, "Acme", "", "gpl", "mit", "Acme Inc.")
    set_up(interactive=True)

    assert prompts == [
        "Name of the product [First]: ",
        "Name of the product [First]: ",
        "Address that emails come from [noreply@localhost]: ",
        "Licence (keep, mit or proprietary) [keep]: ",
        "Licence (keep, mit or proprietary) [keep]: ",
        "Holder of the copyright: ",
    ]
    assert "--name: at most 60 characters" in capsys.readouterr().err
    assert (product.read().name, product.read().sender) == ("Acme", "noreply@localhost")
    assert "Acme Inc." in (project / "LICENSE").read_text()


def test_an_option_is_not_prompted_for(project, type_lines):
    prompts = type_lines("")
    set_up(interactive=True, name="Acme", sender="noreply@acme.example")

    assert len(prompts) == 1
    assert product.read().name == "Acme"


def test_without_a_terminal_it_needs_noinput(project, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)

    with pytest.raises(CommandError, match="Use --noinput"):
        set_up(interactive=True, name="Acme")
    assert product.read() == PRODUCT
