"""Names of files: labels that fit the type, on every system that may store them."""

import random
import re

import pytest

from core.files.names import ENDINGS, MAX_BYTES, clean_name, name_for

# Letters, and everything that has a meaning in a name for some system.
PIECES = "%2E=?\uff0eaBж¹e\u0301🎉.. \u3000\t/\\:~{-_01\u200c\u200d\u202e\u2066\0" + "CONUL"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\fakepath\\me.png", "me.png"),
        ("/etc/x", "x"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: b.txt", "aSet-Cookie: b.txt"),
        ("gnp.\u202egpj", "gnp.gpj"),
        ("trailing. . .", "trailing"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com\u00b9 .txt", "_com\u00b9.txt"),
        ("Console.txt", "Console.txt"),
        ("😀.txt", "😀.txt"),
        ("e\u0301.txt", "é.txt"),
        ("..", "file"),
        ("\u200b", "file"),
        ("\u200d", "file"),
        ("a" * 300 + ".jpeg", "a" * 250 + ".jpeg"),
        ("a" * 300, "a" * 255),
        ("a." + "b" * 300, "a." + "b" * 253),
        ("ж" * 200 + ".jpeg", "ж" * 125 + ".jpeg"),
    ],
)
def test_names_are_only_labels(sent, expected):
    assert clean_name(sent) == expected


@pytest.mark.parametrize(
    "name",
    [
        "می‌خواهم.txt",  # Persian, with ZWNJ
        "ක්‍රීඩා.txt",  # Sinhala, with ZWJ
        "👩‍👩‍👧.txt",  # one sign of three, joined by ZWJ
    ],
)
def test_joiners_inside_of_a_name_stay(name):
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("sent", "content_type", "expected"),
    [
        ("invoice.bat", "text/plain", "invoice.txt"),
        ("run.HTA", "text/plain", "run.txt"),
        ("a.js", "text/plain", "a.txt"),
        ("notes.TXT", "text/plain", "notes.TXT"),
        ("server.log", "text/plain", "server.log"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("photo.png", "image/jpeg", "photo.jpg"),
        ("photo.exe.jpg", "image/jpeg", "photo.exe.jpg"),
        ("photo.jpg.exe", "image/jpeg", "photo.jpg"),
        ("page.svg", "image/png", "page.png"),
        ("paper.pdf.html", "application/pdf", "paper.pdf"),
        ("table.txt", "text/csv; charset=utf-8", "table.txt"),
        ("table.xls", "text/csv; charset=utf-8", "table.csv"),
        ("rows.csv", "application/json", "rows.json"),
        ("a.bat. . ", "text/plain", "a.txt"),
        ("a.bat\u200d", "text/plain", "a.txt"),
        ("a.b\u200dat", "text/plain", "a.b\u200dat.txt"),
        ("tab.\u202etxt.bat", "text/plain", "tab.txt"),
        (
            "a.{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}",
            "text/plain",
            "a.{3050f4d8-98b5-11cf-bb82-00aa00bdce0b}.txt",
        ),
        ("version 1.2", "text/plain", "version 1.2.txt"),
        ("desktop.ini", "text/plain", "desktop.txt"),
        (".htaccess", "text/plain", "htaccess"),
        (".CON.bat", "text/plain", "_CON.txt"),
        ("README", "text/plain", "README"),
        ("unknown.exe", "application/x-own", "unknown.bin"),
        ("a" * 300 + ".bat", "text/plain", "a" * 251 + ".txt"),
        ("invoice%2Ebat", "text/plain", "invoice_2Ebat"),
        ("invoice%252ebat", "text/plain", "invoice_252ebat"),
        ("invoice%\u200b2Ebat", "text/plain", "invoice_2Ebat"),
        ("50% off.txt", "text/plain", "50% off.txt"),
        ("=?utf-8?B?aW52b2ljZS5iYXQ=?=", "text/plain", "=_utf-8?B?aW52b2ljZS5iYXQ=_="),
        ("=?utf-8?Q?page=2Ehtml?=", "text/plain", "=_utf-8?Q?page=2Ehtml_="),
        ("inv\uff0ebat", "text/plain", "inv.txt"),
        ("inv\u2024bat", "text/plain", "inv.txt"),
        ("inv\ufe52bat", "text/plain", "inv.txt"),
    ],
)
def test_the_ending_belongs_to_the_type(sent, content_type, expected):
    assert name_for(sent, content_type) == expected


def test_any_name_becomes_short_harmless_and_final():
    choose = random.Random(1)
    for number in range(5_000):
        sent = "".join(choose.choices(PIECES, k=choose.randint(0, 12))) * (1 if number % 2 else 60)
        content_type = choose.choice(sorted(ENDINGS))
        name = name_for(sent, content_type)

        assert name_for(name, content_type) == name, ascii(sent)
        assert 0 < len(name.encode()) <= MAX_BYTES, ascii(sent)
        assert "." not in name or name.lower().endswith(ENDINGS[content_type]), ascii(sent)
        assert not re.search("%[0-9a-fA-F]{2}|=\\?|\\?=", name), ascii(sent)
        assert not set(name) & set("/\\\0\t\u202e\u2066"), ascii(sent)
