import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks import plot, report
from benchmarks.tests.runs import run

SVG = "{http://www.w3.org/2000/svg}"


def page(tmp_path, text):
    path = tmp_path / "performance.md"
    path.write_text(text)
    return path


def test_only_the_figures_of_the_page_are_rewritten(tmp_path):
    path = page(tmp_path, f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.rewrite(path, run())
    report.rewrite(path, run())

    text = path.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert text.count("### Targets") == 1


@pytest.mark.parametrize("text", ["before\n", f"{report.BEGIN}\n{report.END}\n" * 2])
def test_a_page_without_one_place_is_refused_and_left(tmp_path, text):
    path = page(tmp_path, text)

    with pytest.raises(report.NoPlace):
        report.rewrite(path, run())
    assert path.read_text() == text


def test_the_page_of_the_project_has_its_place():
    text = report.PAGE.read_text()

    assert text.index(report.BEGIN) < text.index(report.END)


def test_the_tables_show_ratios_and_verdicts():
    text = report.markdown(run())

    assert "| **This project** | 1,000 (4.00 ×) | 2,500 (10.00 ×) | 29.0 (–) |" in text
    assert "| L against stock DRF | ≥ 3.50 × | 4.00 × | pass |" in text
    assert "| errors at 64 connections | 0 | 2 | **miss** |" in text
    assert "- ours: Python 3.11.1" in text


def test_the_terminal_shows_every_contender_of_every_count():
    text = report.terminal(run())

    assert text.count("This project") == 6
    assert "64 connections" in text
    assert "MISS" in text


def test_the_json_is_the_run():
    stored = json.loads(report.as_json(run()))

    assert stored["table"]["L"]["ours"]["rates"] == [900, 1000, 1100]
    assert stored["options"]["connections"] == [16, 64]


def test_bars_are_as_long_as_their_figures():
    root = ET.fromstring(plot.draw(run()))

    lengths = [float(bar.get("width")) for bar in root.iter(f"{SVG}rect") if bar.get("class") != "paper"]
    ours, _uncached, stock, bare = lengths[:4]
    assert bare == plot.PANEL_WIDTH - plot.LABEL - plot.VALUE
    assert ours / bare == pytest.approx(0.5, abs=0.01)
    assert stock / bare == pytest.approx(0.125, abs=0.01)


def test_every_bar_is_labelled_with_its_value():
    texts = [text.text for text in ET.fromstring(plot.draw(run())).iter(f"{SVG}text")]

    assert {"1,000/s · 4.0 ×", "250/s", "2,500/s · 10.0 ×"} <= set(texts)
