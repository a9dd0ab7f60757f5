"""The files that `manage.py setup` writes, with their new texts."""

import re
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from core.scaffold import app_list, licence, product, record
from core.scaffold.programs import changed_files
from core.scaffold.setup_options import Chosen

EXAMPLE = "resources"
LICENCE_LINE = re.compile(r"^\w+, see \[LICENSE\]\(LICENSE\)\.$", re.MULTILINE)


def has_example() -> bool:
    """Return whether the example app is here; one of its name that `startresource` made is none."""
    return app_list.has(EXAMPLE) and record.folder_of(EXAMPLE).is_dir() and record.read(EXAMPLE) is None


def changes(chosen: Chosen, *, removes_example: bool) -> dict[Path, str]:
    """Return {path: new text} of the files that differ from what was chosen. Raises CommandError and ValueError."""
    root = Path(settings.BASE_DIR)
    old = product.read()
    kind = chosen.licence
    described = old.licence if kind == licence.KEEP else licence.DESCRIPTIONS[kind]
    new = product.Product(chosen.name, chosen.sender, described)
    texts = {product.path(): new.source if new != old else product.path().read_text()}
    if kind != licence.KEEP:
        try:
            texts[root / "LICENSE"] = licence.with_holder(text_of(root / "LICENSE"), kind, chosen.holder)
        except ValueError as error:
            raise CommandError(f"--licence: {error}") from error
    if readme := text_of(root / "README.md"):
        texts[root / "README.md"] = new_readme(readme, old, new, removes_example=removes_example)
    if removes_example:
        texts[app_list.path()] = app_list.path().read_text().replace(app_list.line_of(EXAMPLE), "")
    return {path: text for path, text in texts.items() if text != text_of(path)}


def text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def new_readme(text: str, old: product.Product, new: product.Product, *, removes_example: bool) -> str:
    """Return the README of the product, in which only what this project came with has changed."""
    if new.name != old.name:
        text = without(text, "introduction")
        if text.startswith(f"# {old.name}\n"):
            text = f"# {new.name}{text.removeprefix(f'# {old.name}')}"
    if new.licence != old.licence:
        text = LICENCE_LINE.sub(f"{new.licence['name']}, see [LICENSE](LICENSE).", text)
    if removes_example:
        lines = without(text, "example").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith(f"{EXAMPLE}/ "))
    return text


def without(text: str, block: str) -> str:
    """Return the text without its parts from `<!-- block: … -->` to `<!-- /block -->` and the empty lines behind."""
    begin, end = f"<!-- {block}: ", f"<!-- /{block} -->\n"
    while begin in text and end in text.partition(begin)[2]:
        before, _, rest = text.partition(begin)
        text = before + rest.partition(end)[2].lstrip("\n")
    return text


def refuse_changed(paths: Iterable[Path]) -> None:
    """Raise CommandError where Git knows changes in these files that are not in a commit."""
    names = [str(path.relative_to(settings.BASE_DIR)) for path in paths]
    if changed := changed_files(names):
        listed = "\n".join(f"  {name}" for name in changed)
        raise CommandError(f"These files have changes that are in no commit:\n{listed}\nUse --with-changes.")
