"""Compare the responses of all contenders before they are measured."""

from typing import Any

from benchmarks.client import Unexpected, create, detail, page
from benchmarks.data import Caller, new_resource
from benchmarks.servers import Running

CHECKED = 3  # readers, and objects of each


def responses(running: Running, readers: list[Caller], writer: Caller) -> dict[str, Any]:
    """Return the content of this contender's responses, by names that show where two contenders differ."""
    client, contender = running.client(), running.contender
    contents: dict[str, Any] = {}
    for number, reader in enumerate(readers[:CHECKED]):
        token = running.tokens[reader.id]
        total, rows = page(client, contender, token)
        contents[f"L of reader {number}"] = (total, rows)
        for key in reader.resources[:CHECKED]:
            contents[f"D of reader {number}, {key}"] = detail(client, contender, token, key)
        for kind, word in (("rare", reader.rare), ("common", reader.common)):
            total, rows = page(client, contender, token, word)
            if not total:
                raise Unexpected(f"{contender.name} has no rows for the {kind} word {word!r}")
            contents[f"search of reader {number}, {kind} word {word!r}"] = (total, rows)
    contents["C"] = create(client, contender, running.tokens[writer.id], new_resource(writer, 0))
    contents["total after C"] = page(client, contender, running.tokens[writer.id])[0]
    return contents


def compare(servers: list[Running], readers: list[Caller], writers: list[Caller]) -> int:
    """Return the number of compared responses. Raises Unexpected at the first difference."""
    first, *others = servers
    expected = responses(first, readers, writers[0])
    for running in others:
        for place, content in responses(running, readers, writers[0]).items():
            if content != expected[place]:
                raise Unexpected(
                    f"{running.name} and {first.name} differ in {place}:\n"
                    f"  {str(content)[:1500]}\n  {str(expected[place])[:1500]}"
                )
    return len(expected)


def etags(running: Running, requests: list[tuple[str, str]]) -> list[str]:
    """Return the ETag of each (path, token), or no ETags if one response has none or is not a 304 later."""
    client, tags = running.client(), []
    for path, token in requests:
        etag = client.send("GET", path, token)[1].get("ETag")
        if not etag or client.send("GET", path, token, If_None_Match=etag)[0] != 304:
            return []
        tags.append(etag)
    return tags
