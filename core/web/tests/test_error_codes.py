"""`/errors/{code}`: a page about each code of the catalogue, with the words of docs/api.md."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.html import strip_tags

from core.web.error_codes import EXPLANATIONS
from core.web.errors import CATALOGUE

SECTION = (
    Path(settings.BASE_DIR, "docs", "api.md").read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
)
TABLE = dict(re.findall(r"^\| \d+ \| `(\w+)` \| (.*) \|$", SECTION, re.MULTILINE))


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_has_a_page_with_the_words_of_the_documentation(client, code):
    when, cure = EXPLANATIONS[code]
    response = client.get(f"/errors/{code}")
    shown = strip_tags(response.content.decode())

    assert TABLE[code] == f"{when} | {cure}"
    assert response.status_code == 200
    for text in (f"{CATALOGUE[code][0]} {code}", when.replace("`", ""), cure.replace("`", "")):
        assert text in shown.replace("&#x27;", "'")


@pytest.mark.parametrize("code", ["NOTHING", "validation_error", "%3Cscript%3E", "A" * 2000])
def test_another_code_is_not_found(client, code):
    assert client.get(f"/errors/{code}").status_code == 404


def test_the_page_of_an_error_leads_to_that_of_its_code(client):
    page = client.get("/nowhere", HTTP_ACCEPT="text/html").content.decode()

    assert 'href="/errors/NOT_FOUND"' in page
