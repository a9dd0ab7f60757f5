"""Compare the OpenAPI document with that of the last release (`make check`): `contract.py [OLD.json NEW.json]`.

Prints each change that could break a client, and fails unless `docs/releases/breaking.txt` declares it by this line.
A declared change that is none fails too, so the file is empty again after a release. Without a release of the product
nothing is compared. A request that was valid must be accepted, and a response must be one that the old document
describes: a further type, null or value of an enumeration is not. docs/stability.md names what is not compared.
"""

import json
import os
import sys
from pathlib import Path

from contract_operations import Operations
from contract_schemas import Schema

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.product import NAME  # noqa: E402
from core.releases.manifest import RELEASES, newest_of  # noqa: E402
from core.releases.trees import Folder  # noqa: E402

DECLARED = f"{RELEASES}/breaking.txt"


def last_release(root: Path = ROOT) -> Path | None:
    """Return the document of the newest release of this product; None if the releases are all of another product."""
    newest = newest_of(Folder(root), NAME)
    return root / newest[0] / "openapi.json" if newest else None


def present_document() -> Schema:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django  # noqa: PLC0415 - only where no file is given

    django.setup()
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415

    document: Schema = json.loads(
        json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str)
    )
    return document


def declared(path: Path) -> set[str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def report(changes: list[str], allowed: set[str]) -> int:
    undeclared = [text for text in changes if text not in allowed]
    unused = sorted(allowed - set(changes))
    for text in undeclared:
        print(f"contract: breaks clients: {text}")
    for text in unused:
        print(f"contract: declared, but it is no change: {text}")
    return 1 if undeclared or unused else 0


def main(arguments: list[str], root: Path = ROOT) -> int:
    if arguments:
        old, new = (json.loads(Path(name).read_text()) for name in arguments)
        allowed: set[str] = set()
    else:
        release = last_release(root)
        if release is None:
            print(f"contract: there is no release of {NAME} to compare with")
            return 0
        old, new = json.loads(release.read_text()), present_document()
        allowed = declared(root / DECLARED)
    status = report(list(dict.fromkeys(Operations(old, new).changes())), allowed)
    if status and not arguments:
        print(f"contract: keep the old form, or let {DECLARED} have exactly these changes")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
