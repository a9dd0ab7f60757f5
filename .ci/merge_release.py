"""Merge a release into a product that was adopted before, by `manage.py upgrade` (part of `make test-adoption`).

The working tree is the release before. A clone of it is adopted as in adopt.py, and its settings are changed. The next
release changes a file that the product did not change, two that it did, one of them on the same line, the removed
example, adds a migration next to one of the product's, and both have a new requirement. Fails where the merge is not
what docs/adopting.md states, or the merged product does not pass its checks and tests.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from adopt import adopt, copy_tree, edit, git, run_tests, step

SECONDS = 300
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
NEXT = "99.0.0"
CONFLICT = re.compile(r"^<<<<<<< .*?\n(.*?)^=======\n.*?^>>>>>>> .*?\n", re.MULTILINE | re.DOTALL)
SETTINGS, MODELS, EXAMPLE = "config/settings.py", "accounts/models.py", "resources"
UNCHANGED = "core/web/text.py"
REQUIREMENTS, LOCK = "requirements/base.in", "requirements/base.txt"
OURS, THEIRS = "inflection", "uritemplate"  # which the locks have already: nothing is to be downloaded
LINE = "\n# A line of the next release.\n"
EMBEDDED = {
    "DATABASE_URL": "sqlite:///var/merge.sqlite3",
    "REDIS_URL": "",
    "CELERY_BROKER_URL": "",
    "DEBUG": "true",
}


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def require_package(folder: Path, package: str, *, at_the_end: bool) -> None:
    """Add a requirement and make the locks anew, as `make lock` does, with the settings of this machine for uv."""
    path = folder / REQUIREMENTS
    text = path.read_text()
    path.write_text(f"{text}{package}\n" if at_the_end else f"{package}\n{text}")
    step(f"locks with {package}", folder, {**os.environ, **EMBEDDED, "PATH": PATH}, ".ci/lock.py")


def manage(folder: Path, title: str, *arguments: str) -> None:
    step(title, folder, EMBEDDED, "manage.py", *arguments)


def upgrade(folder: Path, expected: int, *arguments: str) -> str:
    """Run `manage.py upgrade` and return what it prints. Exits if its status is another one."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "upgrade", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != expected:
        sys.exit(f"{done.stdout}\nmerge: upgrade {' '.join(arguments)} is {done.returncode}, not {expected}")
    print(f"upgrade {' '.join(arguments)}: {expected} ({time.monotonic() - started:.0f} s)", flush=True)
    return done.stdout


def release(project: Path, version: str, advisories: list[dict[str, object]]) -> None:
    product = json.loads((project / "docs/releases/advisories.json").read_text())["product"]
    listed = json.dumps({"product": product, "advisories": advisories})
    (project / "docs/releases/advisories.json").write_text(listed)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", f"Prepare {version}")
    step(f"record of {version}", project, EMBEDDED, ".ci/release.py")
    commit(project, f"Release {version}")
    git(project, "tag", f"v{version}")


def first_release(project: Path) -> str:
    copy_tree(project)
    for record in (project / "docs" / "releases").glob("*/"):
        shutil.rmtree(record)
    git(project, "init", "--quiet", "--initial-branch=main")
    version = re.findall(r'^VERSION = "(.+)"$', (project / SETTINGS).read_text(), re.MULTILINE)[0]
    release(project, version, [])
    return str(version)


def next_release(project: Path, version: str) -> None:
    edit(project / SETTINGS, f'VERSION = "{version}"', f'VERSION = "{NEXT}"')
    edit(project / SETTINGS, "CELERY_TASK_TIME_LIMIT = 240\n", "CELERY_TASK_TIME_LIMIT = 250\n")
    edit(
        project / MODELS,
        "    session_epoch = ",
        "    motto = models.CharField(max_length=80, null=True)  # noqa: DJ001\n    session_epoch = ",
    )
    for name in (UNCHANGED, f"{EXAMPLE}/models.py"):
        with (project / name).open("a") as file:
            file.write(LINE)
    (project / EXAMPLE / "added.py").write_text(LINE)
    require_package(project, THEIRS, at_the_end=False)
    manage(project, "migration of the release", "makemigrations", "accounts", "--name", "motto")
    advisory = {"id": "CI-1", "severity": "high", "versions": [version], "fixed_in": NEXT, "text": "A text."}
    release(project, NEXT, [{**advisory, "files": [UNCHANGED, SETTINGS]}])


def adopted(project: Path, product: Path) -> None:
    git(project.parent, "clone", "--quiet", "--origin", "upstream", str(project), str(product))
    git(product, "config", "user.name", "CI")
    git(product, "config", "user.email", "ci@localhost")
    (product / "var").mkdir()
    adopt(product, EMBEDDED)
    edit(product / SETTINGS, "CELERY_TASK_TIME_LIMIT = 240\n", "CELERY_TASK_TIME_LIMIT = 300\n")
    manage(product, "migrations of the product", "makemigrations")
    require_package(product, OURS, at_the_end=True)
    commit(product, "Adopt")


def resolve(product: Path) -> None:
    """Do what the report names: keep the value of the product, and merge the migrations."""
    text, count = CONFLICT.subn(r"\1", (product / SETTINGS).read_text())
    if count != 1:
        sys.exit(f"merge: {SETTINGS} has {count} conflicts, not one")
    (product / SETTINGS).write_text(text)
    commit(product, "Merge the release")
    manage(product, "makemigrations --merge", "makemigrations", "--merge", "--noinput", "accounts")
    commit(product, "Merge migrations")


def require(product: Path, before: str, report: str) -> None:
    """Exit where the merged product is not as docs/adopting.md states."""
    texts = {name: (product / name).read_text() for name in (SETTINGS, MODELS, UNCHANGED, REQUIREMENTS)}
    own = git(product, "diff", "--name-only", before, "HEAD", "--", "billing", "crew", ".env")
    problems = {
        "the example is back": (product / EXAMPLE).exists(),
        f"{UNCHANGED} is not that of the release": LINE not in texts[UNCHANGED],
        "the role or the column is missing": not ("SUPPORT = " in texts[MODELS] and "motto" in texts[MODELS]),
        "the settings are not those of both sides": "LIMIT = 300" not in texts[SETTINGS]
        or NEXT not in texts[SETTINGS],
        "the requirements are not those of both sides": not (
            {OURS, THEIRS} <= set(texts[REQUIREMENTS].split("\n"))
        ),
        f"own files were changed: {own}": own,
        f"the report lacks a part:\n{report}": any(
            part not in report
            for part in (
                "  settings: keep your values",
                f"    {SETTINGS}\n",
                "  accounts/migrations\n",
                f"{EXAMPLE}/added.py",
                f"made anew from the merged requirements:\n  {LOCK}\n",
            )
        ),
        "the branch of the product was changed": git(product, "rev-parse", "main") != before,
    }
    if wrong := [problem for problem, is_so in problems.items() if is_so]:
        sys.exit("\n".join(f"merge: {problem}" for problem in wrong))


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="merge-") as name:
        project, product = Path(name, "project"), Path(name, "product")
        project.mkdir()
        version = first_release(project)
        adopted(project, product)
        before = git(product, "rev-parse", "HEAD")
        next_release(project, version)
        git(product, "fetch", "--quiet", "--no-tags", "upstream", "+refs/tags/v*:refs/remotes/upstream/v*")
        state = json.loads(upgrade(product, 1, "--check", "--json"))
        if [advisory["changed_here"] for advisory in state["advisories"]] != [[SETTINGS]]:
            sys.exit(f"merge: wrong advisories: {state['advisories']}")
        report = upgrade(product, 1, "--to", NEXT)
        resolve(product)
        require(product, before, report)
        upgrade(product, 0, "--check")
        step("locks", product, EMBEDDED, ".ci/lock.py", "--check")
        manage(product, "check", "check", "--fail-level", "WARNING")
        manage(product, "makemigrations --check", "makemigrations", "--check", "--dry-run")
        run_tests("merged", product, "", "billing", "crew", "accounts/tests/test_login.py")
    print(f"merge of a release: {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
