"""Report words and docstrings that do not follow the conventions of the project (`make words`, and `make check`).

Checks the names that our code defines, docstrings, comments, strings, templates and pages of the docs for the words of
banned_words.txt; how docstrings begin; and that names in backticks exist. `--list` prints each finding by file.
Arguments after the options are files or folders to check instead of the whole product.
"""

import argparse
import ast
import builtins
import io
import json
import keyword
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / ".ci" / "banned_words.txt"
EXTERNAL = ROOT / ".ci" / "external_names.txt"
# Written by other tools, records of the past, or the rules themselves.
SKIPPED = re.compile(
    r"(^|/)(migrations|results|peers|static)/|\.ci/(words\.py|banned_words\.txt|external_names\.txt)$|^CHANGELOG\.md$"
)
IN_TESTS = re.compile(r"(^|/)tests/|conftest\.py$")
PROSE_SUFFIXES = frozenset({".html", ".txt", ".md", ".example"})

PYDOCSTYLE = "D200,D202,D208,D210,D300,D301,D400,D401,D402,D403,D404,D405,D415,D419"
APPS = (
    "core_db",
    "core_audit",
    "core_outbox",
    "core_api",
    *("core_files", "core_jobs"),
    *("accounts", "accounts_mfa"),
    "resources",
)
PROPERTIES = frozenset({"property", "cached_property", "fixture", "classproperty"})


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    text: str


class Rules:
    """The banned words, as regular expressions, and the phrases that are exceptions."""

    def __init__(self) -> None:
        self.names: list[tuple[re.Pattern[str], str]] = []
        self.texts: list[tuple[re.Pattern[str], str]] = []
        self.exact: dict[str, str] = {}
        self.no_verbs: set[str] = set()
        self.no_nouns: set[str] = set()
        allowed: list[str] = []
        for line in RULES.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            where, words, *hints = (part.strip() for part in line.split(" | "))
            hint = hints[0] if hints else ""
            either = "|".join(word.replace("*", r"\w*") for word in words.split())
            if where == "allow":
                allowed.append(rf"\b{re.escape(words)}\b")
            if "no verb" in where:
                self.no_verbs |= set(words.split())
            if "no noun" in where:
                self.no_nouns |= set(words.split())
            if where == "exact":
                self.exact |= dict.fromkeys(words.split(), hint)
            if where in ("name", "both"):
                self.names.append((re.compile(rf"^(?:{either})$", re.I), hint))
            if where == "constant":
                self.names.append((re.compile(rf"^(?:{either.upper()})$"), hint))
            if where in ("text", "both"):
                pattern = words.strip("/") if words.startswith("/") else rf"\b(?:{either})\b"
                self.texts.append((re.compile(pattern, re.I | re.M), hint))
        self.allowed = re.compile("|".join(sorted(allowed, key=len, reverse=True)), re.I)

    def in_name(self, name: str) -> Iterator[str]:
        """Yield the banned words of an identifier."""
        if name in self.exact:
            yield f"{name} → {self.exact[name]}"
        plain = self.allowed.sub("", name)
        for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", plain):
            for pattern, hint in self.names:
                if pattern.match(word):
                    yield f"{word.lower()} → {hint}"

    def in_text(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the offset and rule of the banned words of a text. Code in it is checked where it is defined."""
        plain = self.allowed.sub(lambda match: "_" * len(match[0]), text)
        plain = re.sub(
            r"`[^`\n]+`|https?://\S+|\{[{%].*?[%}]\}|<[^>]+>", lambda match: "_" * len(match[0]), plain
        )
        for pattern, hint in self.texts:
            for match in pattern.finditer(plain):
                words = match[0].strip(" .:;").lower()
                yield match.start(), f"{'what … is' if words.startswith('what ') else words} → {hint}"


def product_files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [name for name in names if not SKIPPED.search(name) and (ROOT / name).is_file()]


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that the module names itself: what dependencies call theirs is not ours."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def docstrings(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Constant, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str() as text) as constant), *_]:
                    yield node, constant, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of the comments, those on adjacent lines as one text."""
    block: list[str] = []
    begin = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text = token.string.lstrip("#").strip()
        if re.match(r"(noqa|type:|pragma|!)", text):
            continue
        if block and token.start[0] != last + 1:
            yield begin, " ".join(block)
            block = []
        if not block:
            begin = token.start[0]
        block.append(text)
        last = token.start[0]
    if block:
        yield begin, " ".join(block)


def beginning(node: ast.AST, text: str, rules: Rules) -> str | None:
    """Return what is wrong with the first word of a docstring, or None."""
    first = re.match(r"\S+", text.strip())
    if first is None or text.strip().startswith("`"):
        return None
    word = first[0].strip(",.:;()").lower()
    if isinstance(node, ast.ClassDef):
        return f"class begins with {word!r}" if word in rules.no_nouns else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("test_"):
        return None
    decorators = {name for each in node.decorator_list for name in re.findall(r"\w+", ast.unparse(each))}
    if decorators & PROPERTIES:
        return f"property begins with {word!r}" if word in rules.no_nouns else None
    if word in rules.no_verbs or word.endswith(("ing", "ly")) or first[0].endswith((":", ",")):
        return f"function begins with {word!r}"
    return None


def check_python(path: str, rules: Rules) -> Iterator[Finding]:
    source = (ROOT / path).read_text()
    tree = ast.parse(source)
    is_test = bool(IN_TESTS.search(path))
    seen: set[str] = set()
    for line, name in defined_names(tree):
        if name not in seen:
            seen.add(name)
            yield from (Finding(path, line, rule, f"name {name}") for rule in rules.in_name(name))
    documented = {id(constant) for _, constant, _ in docstrings(tree)}
    for node, constant, text in docstrings(tree):
        yield from text_findings(path, constant.lineno, text, rules, "docstring")
        wrong = beginning(node, text, rules)
        if wrong:
            yield Finding(path, constant.lineno, "beginning", f"{wrong}: {text.strip()[:60]}")
    for line, text in comments(source):
        yield from text_findings(path, line, text, rules, "comment")
    if is_test:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            if " " in node.value.strip():
                yield from text_findings(path, node.lineno, node.value, rules, "string")
            elif re.fullmatch(r"[a-z_]+\.[a-z_.]+", node.value):  # an event of a log or the audit
                yield from (
                    Finding(path, node.lineno, rule, f"event {node.value}")
                    for rule in rules.in_name(node.value)
                )


def text_findings(path: str, line: int, text: str, rules: Rules, kind: str) -> Iterator[Finding]:
    for offset, rule in rules.in_text(text):
        around = text[max(0, offset - 25) : offset + 45].replace("\n", " ")
        yield Finding(path, line + text.count("\n", 0, offset), rule, f"{kind} …{around}…")


# --- names in backticks -------------------------------------------------------------------------


def known_names() -> set[str]:
    """Return every word of the product's code, with its camelCase, and the external names that are allowed."""
    known = {*dir(builtins), *keyword.kwlist, *sys.stdlib_module_names, *EXTERNAL.read_text().split()}
    for path in product_files():
        known |= set(re.findall(r"\w+", path))
        if path.endswith(".py"):
            tree = ast.parse((ROOT / path).read_text())
            for _, constant, _ in docstrings(tree):
                constant.value = ""
            known |= set(re.findall(r"\w+", ast.unparse(tree)))  # without comments
        elif not path.endswith((".md", ".png", ".ico")):
            known |= set(re.findall(r"\w+", (ROOT / path).read_text(errors="ignore")))
    camel = {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in known}
    tables = {f"{app}_{name.lower()}" for app in APPS for name in known if name[0].isupper()}
    return known | camel | tables


def unknown_names(path: str, line: int, text: str, known: set[str]) -> Iterator[Finding]:
    """Yield the names in backticks that are names of nothing. Only what has the form of an identifier is checked."""
    for match in re.finditer(r"(?<!`)`([A-Za-z_][\w.]*(?:\(\))?)`(?!`)", text):
        missing = [
            part for part in match[1].strip("()").replace("__", ".").split(".") if part and part not in known
        ]
        if missing:
            yield Finding(path, line + text.count("\n", 0, match.start()), "unknown name", f"`{match[1]}`")


def check(path: str, rules: Rules, known: set[str]) -> Iterator[Finding]:
    file = ROOT / path
    if file.suffix == ".py":
        yield from check_python(path, rules)
        tree = ast.parse(file.read_text())
        for _, constant, text in docstrings(tree):
            yield from unknown_names(path, constant.lineno, text, known)
    elif file.suffix in PROSE_SUFFIXES and not path.startswith(("requirements/", "config/tests/")):
        text = file.read_text()
        if file.suffix == ".md":
            text = re.sub(r"^```.*?^```", lambda match: "\n" * match[0].count("\n"), text, flags=re.S | re.M)
            if "/decisions/" not in path:  # which may name what is gone
                yield from unknown_names(path, 1, text, known)
        yield from text_findings(path, 1, text, rules, "text")


def pydocstyle(paths: list[str]) -> Iterator[Finding]:
    """Yield what ruff's pydocstyle rules find, which pyproject.toml configures."""
    program = str(Path(sys.executable).with_name("ruff"))
    command = [program, "check", "--select", PYDOCSTYLE, "--output-format=json", "--exit-zero", *paths]
    for each in json.loads(subprocess.check_output(command, cwd=ROOT, text=True)):
        path = str(Path(each["filename"]).relative_to(ROOT))
        yield Finding(path, each["location"]["row"], each["code"], each["message"])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print each finding, by file")
    parser.add_argument("--product", action="store_true", help="leave out the tests")
    parser.add_argument("paths", nargs="*", help="files or folders, from the root of the repository")
    options = parser.parse_args()
    files = [
        path
        for path in product_files()
        if not options.paths or any(Path(path).is_relative_to(part) for part in options.paths)
        if not (options.product and IN_TESTS.search(path))
    ]
    if not files:
        parser.error("none of these is a file of the product")
    rules, known = Rules(), known_names()
    findings = [finding for path in files for finding in check(path, rules, known)]
    begun = {(finding.path, finding.line) for finding in findings if finding.rule == "beginning"}
    style = pydocstyle([path for path in files if path.endswith(".py")] or [__file__])
    findings += [finding for finding in style if finding.rule != "D401" or finding[:2] not in begun]
    if options.list:
        for finding in sorted(findings):
            print(f"{finding.path}:{finding.line}: [{finding.rule}] {finding.text}")
    for title in ("path", "rule"):
        print(f"\nFindings per {title}")
        for name, count in Counter(getattr(finding, title) for finding in findings).most_common():
            print(f"{count:6} {name}")
    print(f"\n{len(findings)} findings in {len({finding.path for finding in findings})} files")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
