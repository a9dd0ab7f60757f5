"""The check before any measurement: every contender returns the same data."""

from typing import Any

from benchmarks.client import Unexpected, create, detail, page
from benchmarks.data import Caller, new_resource
from benchmarks.servers import Running

CHECKED = 3  # readers, and objects of each


def responses(running: Running, readers: list[Caller], writer: Caller) -> dict[str, Any]:
    """Return what this contender returns, under names that show where two of them differ."""
    client, contender = running.client(), running.contender
    returned: dict[str, Any] = {}
    for number, reader in enumerate(readers[:CHECKED]):
        token = running.tokens[reader.id]
        total, rows = page(client, contender, token)
        returned[f"L of reader {number}"] = (total, rows)
        for key in reader.resources[:CHECKED]:
            returned[f"D of reader {number}, {key}"] = detail(client, contender, token, key)
        for kind, word in (("rare", reader.rare), ("common", reader.common)):
            total, rows = page(client, contender, token, word)
            if not total:
                raise Unexpected(f"{contender.name} finds nothing for the {kind} word {word!r}")
            returned[f"search of reader {number}, {kind} word {word!r}"] = (total, rows)
    returned["C"] = create(client, contender, running.tokens[writer.id], new_resource(writer, 0))
    returned["total after C"] = page(client, contender, running.tokens[writer.id])[0]
    return returned


def compare(everybody: list[Running], readers: list[Caller], writers: list[Caller]) -> int:
    """Return how many responses were compared. Raises Unexpected at the first difference."""
    first, *others = everybody
    expected = responses(first, readers, writers[0])
    for running in others:
        for place, returned in responses(running, readers, writers[0]).items():
            if returned != expected[place]:
                raise Unexpected(
                    f"{running.name} and {first.name} differ in {place}:\n"
                    f"  {str(returned)[:1500]}\n  {str(expected[place])[:1500]}"
                )
    return len(expected)


def etags(running: Running, requested: list[tuple[str, str]]) -> list[str]:
    """Return the ETag of each of these (path, token); empty where there is none, or where the response is not 304."""
    client, result = running.client(), []
    for path, token in requested:
        etag = client.send("GET", path, token)[1].get("ETag")
        if not etag or client.send("GET", path, token, If_None_Match=etag)[0] != 304:
            return []
        result.append(etag)
    return result
