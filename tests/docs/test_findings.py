"""What pages say of results is made from the tables beside them, and no number of a result is typed by hand."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT, PAGES, name_of

DOCS = CHECKOUT / "docs"
REFERENCES = sorted(path.parent.name for path in (CHECKOUT / "outputs" / "reference").glob("*/README.md"))
MODULES = sorted((DOCS / "findings").glob("*.py"))
RESULT = re.compile(r"(?<![\w.-])\d[\d,.]*(?=%| points| times)|±\d|\d\.\d+ ?\[")
"""A number that a sentence gives as a result."""
LEVELS = {"95", "5", "100"}
"""Percentages that are no results: of intervals, of the end of training that censors an early stop, of all weights."""


@pytest.fixture
def pages(monkeypatch):
    """The module that fills pages with findings."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("findings.pages")


@pytest.mark.parametrize("name", REFERENCES)
def test_the_findings_are_those_of_the_results(name, pages):
    assert pages.BLOCK.search((CHECKOUT / "outputs" / "reference" / name / "README.md").read_text()), "it has none"
    changed = [name_of(path) for path, text in pages.contents(name).items() if path.read_text() != text]
    assert changed == [], "python docs/findings writes them again"


def results_in(text):
    return [match for match in RESULT.findall(text) if match not in LEVELS]


@pytest.mark.parametrize("page", [page for page in PAGES if "generated: " in page.read_text()], ids=name_of)
def test_sections_about_results_hold_no_number_of_their_own(page, pages):
    sections = re.split(r"^## ", pages.by_hand(page.read_text()), flags=re.MULTILINE)
    about = [section for section in sections if section.startswith(("What it shows", "What differs"))]
    assert [number for section in about for number in results_in(section)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_result_is_typed_into_a_sentence(path: Path):
    parts = [
        part.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.Constant)
    ]
    assert [number for part in parts for number in results_in(part)] == []


def test_blocks_are_filled_by_name(pages):
    page = "a\n<!-- generated: one -->\nold\n<!-- end -->\nb\n"
    assert pages.filled(page, {"one": "new\n"}) == "a\n<!-- generated: one -->\n\nnew\n\n<!-- end -->\nb\n"
    assert pages.by_hand(page) == "a\nb\n"
    with pytest.raises(AssertionError, match="there is text for"):
        pages.filled(page, {"two": ""})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a loss of 0.27 points", ["0.27"]),
        ("97.61 ±0.17%", ["±0"]),
        ("0.43 [0.40, 0.46] times", ["0.43 ["]),
        ("a 95% interval, n = 3, 2:4, LeNet5, 300-100", []),
    ],
)
def test_numbers_of_results_are_recognised(text, numbers):
    assert sorted(results_in(text)) == sorted(numbers)
