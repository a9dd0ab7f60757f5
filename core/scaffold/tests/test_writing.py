"""Files and folders that change together, or not at all."""

import pytest

from core.scaffold.writing import put_folder, replaced

pytestmark = pytest.mark.once


@pytest.fixture
def project(tmp_path):
    (tmp_path / "LICENSE").write_text("old")
    (tmp_path / "README.md").write_text("old")
    (tmp_path / "README.md").chmod(0o640)
    (tmp_path / "parcels" / "tests").mkdir(parents=True)
    (tmp_path / "parcels" / "models.py").write_text("one")
    return tmp_path


@pytest.fixture
def texts(project):
    return {project / "LICENSE": "new", project / "README.md": "new"}


def tree(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.is_file() and path.read_text())
        for path in folder.rglob("*")
    }


def test_the_body_finds_the_changes_made(project, texts):
    (project / ".parcels.removed").mkdir()  # of a process that was killed
    with replaced(texts, project / "parcels") as away:
        assert (project / "README.md").read_text() == "new"
        assert not (project / "parcels").exists()
        assert (away / "models.py").read_text() == "one"
    assert {path for path in tree(project) if not path.startswith(".parcels.removed")} == {
        "LICENSE",
        "README.md",
    }
    assert (project / "README.md").stat().st_mode & 0o777 == 0o640


def test_all_is_as_before_where_the_body_fails(project, texts):
    before = tree(project)

    with pytest.raises(LookupError), replaced(texts, project / "parcels"):
        raise LookupError
    assert tree(project) == before


@pytest.mark.parametrize("lacking", [".README.md.new", ".README.md.old"])
def test_all_is_as_before_where_a_file_cannot_be_written(project, texts, lacking):
    (project / lacking).mkdir()
    before = tree(project)

    with pytest.raises(IsADirectoryError), replaced(texts, project / "parcels"):
        pytest.fail("The body ran.")
    assert tree(project) == before


@pytest.mark.parametrize("failing", ["parcels", "missing"])
def test_all_is_as_before_where_the_folder_cannot_be_moved(project, texts, failing):
    if failing == "parcels":
        (project / ".parcels.removed").write_text("a file")
    before = tree(project)

    with pytest.raises(OSError, match=failing), replaced(texts, project / failing):
        pytest.fail("The body ran.")
    assert tree(project) == before


def test_a_file_behind_a_symbolic_link_is_replaced(project):
    (project / "link").symlink_to(project / "LICENSE")

    with replaced({project / "link": "new"}):
        pass
    assert (project / "link").is_symlink()
    assert (project / "LICENSE").read_text() == "new"


def test_a_folder_is_put_whole_or_not_at_all(project, tmp_path_factory):
    source = tmp_path_factory.mktemp("made") / "boxes"
    (source / "__pycache__").mkdir(parents=True)
    (source / "models.py").write_text("two")
    (project / ".boxes.new").mkdir()
    (project / ".boxes.new" / "left.py").write_text("of a process that was killed")
    put_folder(source, project / "boxes")

    assert [path.name for path in (project / "boxes").iterdir()] == ["models.py"]
    before = tree(project)
    with pytest.raises(OSError, match="parcels"):
        put_folder(source, project / "parcels")
    assert tree(project) == before
