"""`manage.py upgrade --to`: a release is merged into what a product has changed, on a branch."""

import pytest

from core.releases.manifest import OWN, path_of
from core.releases.tests.repositories import FIRST, SETTINGS

pytestmark = pytest.mark.once

OURS = {
    "config/settings.py": SETTINGS.replace("SETTING_2 = 2", "SETTING_2 = 'ours'"),
    "accounts/migrations/0002_role.py": "dependencies = ['0001']\n",
    "notes/models.py": "class Note:\n    pass\n",
    "example/models.py": None,
    "example/views.py": None,
}
THEIRS = {
    "config/settings.py": SETTINGS.replace("SETTING_17 = 17", "SETTING_17 = 'theirs'"),
    "core/server.py": "def serve():\n    return 2\n",
    "core/retired.py": None,
    "core/added.py": "ADDED = 1\n",
    "example/models.py": "class Example:\n    changed = True\n",
    "example/added.py": "ADDED = 1\n",
}


@pytest.fixture(params=["clone", "copy"])
def product(request, project, tmp_path):
    """Return a product that was made from release 0.1.0: with the history, or without it."""
    made = getattr(project, request.param)(tmp_path / "product")
    made.commit(OURS)
    return made


def test_a_release_is_merged_into_a_product(project, product, upgrade, check):
    project.release("0.2.0", THEIRS)
    before = product.git("rev-parse", "main")
    status, printed = upgrade(product, "--to", "v0.2.0")

    assert status == 0, printed
    assert product.git("branch", "--show-current") == "upgrade-0.2.0"
    assert product.git("status", "--porcelain") == ""
    assert product.git("rev-parse", "main") == before
    assert product.read("core/server.py") == THEIRS["core/server.py"]
    assert product.has("core/added.py")
    assert not product.has("core/retired.py")
    assert {"SETTING_2 = 'ours'", "SETTING_17 = 'theirs'"} <= {
        *product.read("config/settings.py").splitlines()
    }
    assert not product.has("example")
    for own in ("notes/models.py", "accounts/migrations/0002_role.py"):
        assert product.read(own) == OURS[own]
    assert "read these:\n  config/settings.py" in printed
    assert "they stay removed:\n  example/added.py\n  example/models.py" in printed
    assert check(product)[1]["release"] == "0.2.0"


def test_the_next_releases_are_merged_too(project, product, upgrade):
    for number in (2, 3, 4):
        project.release(f"0.{number}.0", {"config/settings.py": SETTINGS.replace("= 17", f"= {number}")})
        status, printed = upgrade(product, "--to", f"0.{number}.0")
        assert status == 0, printed
        product.commit(product.edit("config/settings.py", f"SETTING_{number + 5} =", f"OURS_{number} ="))

    assert "SETTING_17 = 4\n" in product.read("config/settings.py")
    assert product.read("config/settings.py").count("OURS_") == 3
    assert upgrade(product, "--to", "0.3.0") == (0, "This copy has 0.3.0 already.\n")


def test_a_release_that_was_merged_by_a_squash_is_the_base_of_the_next(project, product, upgrade):
    project.release("0.2.0", {"config/settings.py": SETTINGS.replace("= 17", "= 2")})
    upgrade(product, "--to", "0.2.0")
    product.git("switch", "--quiet", "main")
    product.git("merge", "--quiet", "--squash", "upgrade-0.2.0")
    product.commit(product.edit("config/settings.py", "SETTING_9 =", "OURS ="))
    project.release("0.3.0", {"config/settings.py": SETTINGS.replace("= 17", "= 3")})
    status, printed = upgrade(product, "--to", "0.3.0")

    assert status == 0, printed
    assert {"SETTING_17 = 3", "OURS = 9"} <= {*product.read("config/settings.py").splitlines()}


def test_commits_after_the_release_are_merged(project, product, upgrade):
    project.commit({"core/server.py": THEIRS["core/server.py"]})
    commit = project.git("rev-parse", "main")
    product.git("fetch", "--quiet", "upstream")
    status, printed = upgrade(product, "--to", "upstream/main")

    assert status == 0, printed
    assert product.git("branch", "--show-current") == f"upgrade-0.1.0-{commit[:8]}"
    assert product.read("core/server.py") == THEIRS["core/server.py"]
    assert upgrade(product, "--to", "upstream/main") == (0, "This copy has upstream/main already.\n")


def test_a_record_of_the_product_with_the_same_version_is_moved_first(project, product, upgrade, check):
    product.commit(product.record("0.2.0", product="Blue Bikes"))
    own = product.read(path_of("0.2.0"))
    project.release("0.2.0", THEIRS)
    status, printed = upgrade(product, "--to", "0.2.0")
    assert status == 2
    assert "docs/releases/0.2.0 is a record of Blue Bikes" in printed
    assert "git mv docs/releases/0.2.0 docs/releases/own/0.2.0" in printed
    assert product.git("branch", "--show-current") == "main"

    (product.folder / OWN).mkdir()
    product.git("mv", "docs/releases/0.2.0", f"{OWN}/0.2.0")
    product.commit({})
    status, printed = upgrade(product, "--to", "0.2.0")
    assert status == 0, printed
    assert product.read(path_of("0.2.0", OWN)) == own
    assert check(product)[1]["release"] == "0.2.0"


def test_an_app_that_was_made_from_the_example_keeps_its_files(project, product, upgrade):
    own = {
        f"orders/{name}.py": FIRST[f"example/{name}.py"].replace("Example", "Order")
        for name in ("models", "views")
    }
    product.commit(own)
    project.release(
        "0.2.0",
        {
            "example/models.py": FIRST["example/models.py"].replace("column_0", "column_zero"),
            "example/views.py": FIRST["example/views.py"].replace("ExampleView", "OrderView2"),
            "example/added.py": "",
        },
    )
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 0, printed
    assert {name: product.read(name) for name in own} == own
    assert not product.has("example")
    assert sorted(path.name for path in (product.folder / "orders").iterdir()) == ["models.py", "views.py"]


def test_a_file_that_the_release_moves_takes_its_changes_along(project, product, upgrade):
    product.commit(product.edit("accounts/models.py", "Column(3)", "Column('ours')"))
    project.release("0.2.0", {"accounts/models.py": None, "accounts/people.py": FIRST["accounts/models.py"]})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 0, printed
    assert "Column('ours')" in product.read("accounts/people.py")
    assert not product.has("accounts/models.py")


def test_conflicts_are_listed_with_what_to_do(project, product, upgrade):
    product.commit(
        {
            "config/urls.py": "urlpatterns = [\n    'ours',\n]\n",
            "requirements/base.in": "django\nours\nredis\n",
            "requirements/base.txt": "django==5.2.1\nours==1\n# sources: 2\n",
            "docs/guide.md": "# Ours\n\nText.\n",
            "core/server.py": "def serve():\n    return 'ours'\n",
            "core/retired.py": "def retired():\n    return 'ours'\n",
        }
    )
    project.release(
        "0.2.0",
        {
            "config/settings.py": SETTINGS.replace("SETTING_2 = 2", "SETTING_2 = 'theirs'"),
            "config/urls.py": "urlpatterns = [\n    'theirs',\n]\n",
            "requirements/base.in": "django\ntheirs\nredis\n",
            "requirements/base.txt": "django==5.2.1\ntheirs==1\n# sources: 3\n",
            "docs/guide.md": "# Theirs\n\nText.\n",
            "core/server.py": "def serve():\n    return 'theirs'\n",
            "core/retired.py": None,
        },
    )
    status, printed = upgrade(product, "--to", "0.2.0")
    lines = [line.strip() for line in printed.splitlines()]

    assert status == 1
    for kind, path in {
        "settings": "config/settings.py",
        "URLs": "config/urls.py",
        "requirements": "requirements/base.in",
        "locks": "requirements/base.txt",
        "docs": "docs/guide.md",
        "code": "core/server.py",
        "removed by the release": "core/retired.py",
    }.items():
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{kind}: "))
        assert lines[place + 1] == path
        assert ("<<<<<<<" in product.read(path)) is (kind != "removed by the release")
    assert "make lock" in printed
    assert product.read("var/upgrade-0.2.0.txt") in printed


def test_a_merge_with_conflicts_goes_on_with_git(project, product, upgrade):
    project.release("0.2.0", project.edit("config/settings.py", "SETTING_2 = 2", "SETTING_2 = 'theirs'"))
    assert upgrade(product, "--to", "0.2.0")[0] == 1
    assert "<<<<<<<" in product.read("config/settings.py")

    status, printed = upgrade(product, "--to", "0.2.0")
    assert status == 2
    assert "a merge is in progress" in printed
    assert "  config/settings.py" in printed
    product.write({"config/settings.py": OURS["config/settings.py"]})
    product.git("add", "config/settings.py")
    assert "no conflict is left" in upgrade(product, "--to", "0.2.0")[1]
    product.git("commit", "--quiet", "--no-edit")
    assert upgrade(product, "--to", "0.2.0") == (0, "This copy has 0.2.0 already.\n")
    assert product.git("log", "-1", "--format=%s") == "Merge release 0.2.0"


def test_migrations_of_both_sides_are_reported(project, product, upgrade):
    project.release("0.2.0", {"accounts/migrations/0002_name.py": "dependencies = ['0001']\n"})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 1
    assert "makemigrations --merge" in printed
    assert "  accounts/migrations\n" in printed
    assert product.git("status", "--porcelain") == ""


def test_a_migration_of_the_same_name_is_a_conflict(project, product, upgrade):
    project.release("0.2.0", {"accounts/migrations/0002_role.py": "dependencies = ['other']\n"})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 1
    assert "migrations: keep both files" in printed
