"""Kill `startresource` and `removeresource` at each change of the project, and let each change of a file fail.

After a kill the project starts, and the message of `removeresource` names what makes the app removable. After a failure
everything is as before. Part of `make test-faults-slow`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from adopt import changed, contents, copy_repository, edit, git, run, step

START = ("manage.py", "startresource", "parcel", "code:str:unique")
REMOVE = ("manage.py", "removeresource", "parcel")
LIST = "config/local_apps.py"
FIRST_LINE = "LOCAL_APPS: list[str] = [\n"
LINE = '    "parcels",\n'
# A program that runs manage.py, and is killed when it is about to make this change, or is refused it.
PROGRAM = """
import os, runpy, signal, sys

def hook(event, arguments):
    if event == chosen and str(arguments[0 if event == "shutil.rmtree" else 1]).endswith(path):
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise PermissionError(1, "Operation not permitted", path)

_program, action, chosen, path, *sys.argv = sys.argv
sys.path.insert(0, "")
sys.addaudithook(hook)
runpy.run_path("manage.py", run_name="__main__")
"""
# Of `startresource` the folder, then the line; of `removeresource` the line, the folder, and after the tables the rest.
OF_START = (("os.rename", "/parcels"), ("os.rename", "/local_apps.py"))
OF_REMOVAL = (("os.rename", "/local_apps.py"), ("os.rename", ".removed/parcels"))
DELETION = ("shutil.rmtree", "/.parcels.removed")
TABLES = "from django.db import connection; print('parcels_parcel' in connection.introspection.table_names())"
Variables = dict[str, str]


def with_fault(
    folder: Path, variables: Variables, action: str, change: tuple[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    return run(folder, variables, "-c", PROGRAM, action, *change, *command)


def check(is_right: bool, problem: str, done: subprocess.CompletedProcess[str]) -> None:
    if not is_right:
        sys.exit(f"{done.stdout}\nscaffold faults: {problem}")


def has_table(folder: Path, variables: Variables) -> bool:
    printed = step("table", folder, variables, "manage.py", "shell", "--no-imports", "--command", TABLES)
    return "True" in printed


def check_refusals(
    folder: Path, variables: Variables, changes: tuple[tuple[str, str], ...], *command: str
) -> None:
    """Let each change fail: the command prints no traceback, and nothing differs."""
    before = contents(folder)
    for change in changes:
        done = with_fault(folder, variables, "fail", change, *command)
        is_right = done.returncode == 1 and "Nothing was changed." in done.stdout
        check(is_right and "Traceback" not in done.stdout, f"{command[1]} at {change}", done)
        left = {name for name in changed(before, contents(folder)) if not name.startswith("var/")}
        check(not left, f"{command[1]} at {change} changed {sorted(left)}", done)


def finish_removal(folder: Path, variables: Variables) -> None:
    """Remove the app as the message of the refusal describes."""
    done = run(folder, variables, *REMOVE)
    if done.returncode == 0:  # the kill was before the first change
        return
    check('add the line `"parcels",` to LOCAL_APPS' in done.stdout, "no cure is named", done)
    if (away := folder / ".parcels.removed" / "parcels").exists():
        away.rename(folder / "parcels")
    edit(folder / LIST, FIRST_LINE, FIRST_LINE + LINE)
    step("removeresource after a kill", folder, variables, *REMOVE)


def try_faults(folder: Path, variables: Variables) -> None:
    """Try each fault in the folder, a Git repository without changes. Exits where one leaves a trace."""
    check_refusals(folder, variables, OF_START, *START)
    for change in OF_START:
        done = with_fault(folder, variables, "kill", change, *START)
        check(done.returncode < 0, f"not killed at {change}", done)
        step("check after a kill", folder, variables, "manage.py", "check")
        if (folder / "parcels").exists():
            finish_removal(folder, variables)
    for change in OF_REMOVAL:
        step("startresource again", folder, variables, *START)
        step("migrate", folder, variables, "manage.py", "migrate", "--verbosity", "0")
        check_refusals(folder, variables, OF_REMOVAL, *REMOVE)
        done = with_fault(folder, variables, "kill", change, *REMOVE)
        check(
            done.returncode < 0 and has_table(folder, variables), f"no table after a kill at {change}", done
        )
        finish_removal(folder, variables)
        check(not has_table(folder, variables), f"a table after the removal at {change}", done)
    try_link_and_deletion(folder, variables)
    if left := git(folder, "status", "--porcelain"):
        sys.exit(f"scaffold faults: left\n{left}")


def try_link_and_deletion(folder: Path, variables: Variables) -> None:
    step("startresource again", folder, variables, *START)
    step("migrate", folder, variables, "manage.py", "migrate", "--verbosity", "0")
    (folder / "parcels").rename(folder / "var" / "parcels")
    (folder / "parcels").symlink_to(folder / "var" / "parcels")
    done = run(folder, variables, *REMOVE)
    check("parcels is a symbolic link" in done.stdout and has_table(folder, variables), "a link", done)
    (folder / "parcels").unlink()
    (folder / "var" / "parcels").rename(folder / "parcels")
    done = with_fault(folder, variables, "fail", DELETION, *REMOVE)
    check("Delete this folder." in done.stdout, "a folder that is not deleted", done)
    step("delete", folder, {}, "-c", "import shutil; shutil.rmtree('.parcels.removed')")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="scaffold-faults-") as name:
        folder = Path(name)
        copy_repository(folder)
        embedded = {"REDIS_URL": "", "CELERY_BROKER_URL": "", "DEBUG": "true"}
        variables = {**embedded, "DATABASE_URL": f"sqlite:///{folder}/var/scaffold.sqlite3"}
        step("migrate", folder, variables, "manage.py", "migrate", "--verbosity", "0")
        try_faults(folder, variables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
