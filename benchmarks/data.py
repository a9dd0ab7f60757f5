"""Equal data for everybody: ours is made by `benchmarks.seed`, and the peers get the same rows."""

import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import bcrypt
import psycopg

from benchmarks.contenders import ROOT, Contender

PASSWORD = "Corr3ct-horse-battery"
MAX_CALLERS = 100  # each logs in once with each contender; half of them read, half of them write
SAMPLE = 100  # requests for resources of each reader
TAGS_OF_A_NEW_ONE = 2


@dataclass(frozen=True)
class Caller:
    id: str
    email: str
    resources: list[str]
    tags: list[str]
    rare: str  # a word of one resource
    common: str  # a word of many


def seed(environment: dict[str, str], users: int, resources: int) -> None:
    for arguments in (
        ("manage.py", "migrate", "--verbosity", "0"),
        ("-m", "benchmarks.seed", f"--users={users}", f"--resources={resources}", f"--password={PASSWORD}"),
    ):
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)


def copy(source_url: str, target_url: str, contender: Contender) -> None:
    """Copy our rows into the database of a contender."""
    # Peers without Django take a plain bcrypt hash; one for all, as `seed` makes it too.
    password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    with psycopg.connect(source_url) as source, psycopg.connect(target_url) as target:
        for query, place in contender.copies:
            reading = f"COPY ({query.format(password=repr(password))}) TO STDOUT"
            with (
                source.cursor().copy(reading) as rows,
                target.cursor().copy(f"COPY {place} FROM STDIN") as copied,
            ):
                for block in rows:
                    copied.write(block)


def settle(url: str) -> None:
    """Update the statistics and the visibility map now, not in the middle of a measurement."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def callers(url: str) -> tuple[list[Caller], list[Caller]]:
    """Return (readers, writers). No reader is a writer, so that the rows of the readers do not change."""
    with psycopg.connect(url) as connection:
        users: Any = connection.execute(
            "SELECT id::text, email FROM accounts_user ORDER BY email LIMIT %s", [MAX_CALLERS]
        ).fetchall()
        selected = [caller(connection, user_id, email) for user_id, email in users]
    return selected[::2], selected[1::2]


def caller(connection: Any, user_id: str, email: str) -> Caller:
    rows = connection.execute(
        "SELECT id::text, lower(title || ' ' || content) FROM resources_resource WHERE user_id = %s"
        " ORDER BY created_at DESC",
        [user_id],
    ).fetchall()
    tags = connection.execute(
        "SELECT name FROM resources_tag WHERE user_id = %s ORDER BY name", [user_id]
    ).fetchall()
    names = [name for (name,) in tags]
    rare, common = searched_words([text for _key, text in rows], names)
    keys = [key for key, _text in rows]
    sample = random.Random(user_id).sample(keys, min(SAMPLE, len(keys)))
    return Caller(user_id, email, sample, names, rare, common)


def searched_words(texts: list[str], tags: list[str]) -> tuple[str, str]:
    """Return a rare word and a common one that every kind of search finds in the same rows: a peer searches
    anywhere in the text, ours at the beginning of a word and in the tags too."""
    counts = Counter(
        word for text in texts for word in set(text.split()) if word.isascii() and word.isalpha()
    )

    def same_everywhere(word: str) -> bool:
        if len(word) < 4 or any(word in tag for tag in tags):
            return False
        inside = [word in text for text in texts]
        return inside == [any(part.startswith(word) for part in text.split()) for text in texts]

    by_count = sorted(counts, key=lambda word: (counts[word], word))
    rare = next((word for word in by_count if same_everywhere(word)), "")
    common = next((word for word in reversed(by_count) if same_everywhere(word)), "")
    if not rare or not common:
        raise SystemExit("The data has no word that is good for a search: more --resources, please.")
    return rare, common


def new_resource(writer: Caller, number: int) -> dict[str, Any]:
    chosen = random.Random(f"{writer.id}/{number}")
    return {
        "title": f"A new note, number {number}",
        "content": " ".join(["Agreed: the budget, the venue, and who calls whom about it."] * 8),
        "tags": chosen.sample(writer.tags, TAGS_OF_A_NEW_ONE),
    }
