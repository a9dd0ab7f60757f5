"""Before anything is measured: does everybody give the same answers?"""

from typing import Any

from benchmarks.client import Unexpected, create, detail, page
from benchmarks.data import Caller, new_resource
from benchmarks.servers import Running

CHECKED = 3  # readers, and objects of each


def answers(running: Running, readers: list[Caller], writer: Caller) -> dict[str, Any]:
    """What this contender says, under names that tell where two of them differ."""
    client, contender = running.client(), running.contender
    said: dict[str, Any] = {}
    for number, reader in enumerate(readers[:CHECKED]):
        token = running.tokens[reader.id]
        total, rows = page(client, contender, token)
        said[f"L of reader {number}"] = (total, rows)
        for key in reader.resources[:CHECKED]:
            said[f"D of reader {number}, {key}"] = detail(client, contender, token, key)
        for kind, word in (("rare", reader.rare), ("common", reader.common)):
            total, rows = page(client, contender, token, word)
            if not total:
                raise Unexpected(f"{contender.name} finds nothing for the {kind} word {word!r}")
            said[f"search of reader {number}, {kind} word {word!r}"] = (total, rows)
    said["C"] = create(client, contender, running.tokens[writer.id], new_resource(writer, 0))
    said["total after C"] = page(client, contender, running.tokens[writer.id])[0]
    return said


def compare(everybody: list[Running], readers: list[Caller], writers: list[Caller]) -> int:
    """How many answers were compared. Raises Unexpected at the first difference."""
    first, *others = everybody
    expected = answers(first, readers, writers[0])
    for running in others:
        for place, said in answers(running, readers, writers[0]).items():
            if said != expected[place]:
                raise Unexpected(
                    f"{running.name} and {first.name} differ in {place}:\n"
                    f"  {str(said)[:1500]}\n  {str(expected[place])[:1500]}"
                )
    return len(expected)


def etags(running: Running, asked: list[tuple[str, str]]) -> list[str]:
    """The ETag of each of these (path, token); empty where there is none, or where it is not answered 304."""
    client, found = running.client(), []
    for path, token in asked:
        etag = client.send("GET", path, token)[1].get("ETag")
        if not etag or client.send("GET", path, token, If_None_Match=etag)[0] != 304:
            return []
        found.append(etag)
    return found
