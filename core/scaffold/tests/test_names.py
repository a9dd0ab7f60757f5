"""Names that `startresource` refuses, since the files that it makes use them themselves."""

import ast
import io
import keyword
import re

import pytest
from django.core.management import call_command

from core.scaffold.names import MAX_NAME, NAME, USED_NAMES

pytestmark = pytest.mark.once

FIELDS = (
    *("a:str", "b:text", "c:int:unique", "d:decimal:unique", "e:date:unique", "f:datetime:unique"),
    *("g:uuid:unique", "h:choice:x,y:null", "i:fk:accounts.User:null", "j:url:null"),
)
OPTIONS = ("attachments", "exports", "trash", "public", "members")
SUFFIXES = ("Serializer", "ViewSet", "Admin", "Factory", "Member", "Attachment")


@pytest.fixture(scope="module")
def files():
    """Return the nodes of a resource with every option, by the path of the file."""
    pytest.importorskip("ruff", reason="make dev-env installs it")
    options = {**dict.fromkeys(OPTIONS, True), "read_all": "staff", "dry_run": True}
    nodes = {}
    for more in ("imports", "bulk"):
        printed = io.StringIO()
        call_command("startresource", "zzz", *FIELDS, **options, **{more: True}, stdout=printed)
        parts = re.split(r"^--- (\S+)\n", printed.getvalue().partition("Nothing was written")[0], flags=re.M)
        for path, text in zip(parts[1::2], parts[2::2], strict=True):
            nodes.setdefault(path, []).extend(ast.walk(ast.parse(text)))
    return nodes


def imported(nodes):
    aliases = [
        alias for node in nodes if isinstance(node, ast.ImportFrom | ast.Import) for alias in node.names
    ]
    return {alias.asname or alias.name for alias in aliases}


def unused(names):
    """Return those of the names that a resource could have and may have."""
    return {
        name
        for name in names
        if NAME.fullmatch(name)
        and "zzz" not in name
        and len(name) <= MAX_NAME
        and not keyword.iskeyword(name)
    } - USED_NAMES


def test_no_resource_has_a_name_that_its_tests_use(files):
    used = set()
    for path, nodes in files.items():
        if "/tests/" in path:
            used |= {node.id for node in nodes if isinstance(node, ast.Name)} | imported(nodes)
            used |= {node.arg for node in nodes if isinstance(node, ast.arg)}

    assert unused(name for name in used - {"cls"} if len(name) > 1) == set()


def test_no_resource_makes_a_class_of_a_name_that_its_files_import(files):
    stems = set()
    for path, nodes in files.items():
        names = {name for name in imported(nodes) if "Zzz" not in name}
        stems |= names if not path.endswith("urls.py") else set()
        stems |= {name.removesuffix(suffix) for name in names for suffix in SUFFIXES if name.endswith(suffix)}
    snakes = {re.sub(r"(?<=.)([A-Z])", r"_\1", stem).lower() for stem in stems}

    assert unused(snakes - {"u_t_c", "u_r_l"}) == set()
