"""Run the blocks of docs/api-by-task.md against a running server, in each language as one program.

Every program signs up a user of its own. At the end all three users must have the same.
"""

import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from live import ROOT

PAGE = ROOT / "docs" / "api-by-task.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BASE, EMAIL, PASSWORD = "http://127.0.0.1:8000", "ada@example.com", "Corr3ct-horse"
SECONDS = 120
EXPECTED = {
    "kept": [("Budget", "archived", []), ("Packing list", "draft", [])],
    "trash": [("Trip to Montréal", "published", ["travel"])],
}


def programs(base: str) -> dict[str, str]:
    """Return the program of each language: its blocks one after another, for this server and a user of its own."""
    text = PAGE.read_text().replace(BASE, base)
    blocks = BLOCK.findall(text)
    languages = [name for name, _code in blocks]
    if languages != ["sh", "js", "python"] * (len(blocks) // 3):
        sys.exit(f"{PAGE.name}: each task needs a block of sh, js and python, in this order")
    return {
        language: "\n".join(code for name, code in blocks if name == language).replace(EMAIL, email(language))
        for language in ("sh", "js", "python")
    }


def email(language: str) -> str:
    return f"{language}.{EMAIL}"


def command_of(language: str, code: str, folder: Path, python: Path) -> list[str]:
    """Write the program into the folder, and return the command that runs it there."""
    name = {"sh": "guide.sh", "js": "guide.mjs", "python": "guide.py"}[language]
    # A failed console.assert only prints.
    strict = "console.assert = (good) => { if (!good) throw new Error('console.assert'); };\n"
    (folder / name).write_text(strict + code if language == "js" else code)
    return {"sh": ["sh", "-eu", name], "js": ["node", name], "python": [str(python), name]}[language]


def call(url: str, token: str = "", body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
        return json.load(response)["data"]


def state(base: str, language: str) -> dict[str, list[tuple[str, str, list[str]]]]:
    """Return what this user has: title, status and tags of each resource, in the list and in the trash."""
    account = {"email": email(language), "password": PASSWORD}
    token = call(f"{base}/api/v1/auth/login", body=account)["tokens"]["accessToken"]
    lists = {"kept": "resources", "trash": "resources/trash"}
    return {
        name: [
            (row["title"], row["status"], row["tags"])
            for row in call(f"{base}/api/v1/{path}?sort=title", token)
        ]
        for name, path in lists.items()
    }


def require_state(base: str, language: str) -> None:
    """Exit where the blocks of a language have left something else than those of the others."""
    if (left := state(base, language)) != EXPECTED:
        sys.exit(f"{PAGE.name}: the blocks of {language} left {left}")
