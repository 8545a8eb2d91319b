"""The page: the answer first, nothing from elsewhere; and a browser that opens it without the network."""

import importlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lth.report.figures.drawing import Drawing, Drawn, Sketch, draw
from lth.report.page import Page, plain, starts, yaml_lines
from lth.report.recorder import machine_facts
from lth.report.results import Results
from lth.report.sheet import Cell, Sheet

ANSWER = ["The ticket's mean test accuracy differs by +9.3 ± 0.7 points.", "For five seeds run: lth imp -m seed=0,1"]
CONFIG = {
    "data": {"name": "small", "root": None, "args": {}},
    "arms": ["ticket", "reinit"],
    "recipe": {"lr": 0.0012, "nesterov": False},
    "device": "cpu",
}
SHEET = Sheet(
    "Results",
    ["level", "ticket", "reinit", "remark"],
    [
        ["0", Cell("90.00", bold=True), "80.00", "of < it"],
        ["1", "80.00", Cell("70.0", "60.0 to 80.0"), Cell("there", link="a/report.html")],
    ],
    note="Bold marks the highest.",
    texts=["remark"],
    groups=[("", 1), ("accuracy (%)", 2), ("", 1)],
    legend={"reinit": "the ticket's mask on a new draw"},
)
FOLDED = Sheet("Differences", ["level", "pair"], [["1", "ticket less <dense>"]], folded=True)
TERMINAL = Sheet("On a terminal", ["n"], [["1"]], page=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Drawn]:
    """Two small figures."""

    def sketch(results: Results) -> Sketch:
        figure = Figure(figsize=(6.9, 1))
        figure.subplots().plot([0, 1])
        return Sketch("main", "The main figure", "Its <caption>.", 'A line from 0 to "1".', figure)

    [main] = draw([Drawing("main", sketch)], Results({}), tmp_path_factory.mktemp("figures"))
    return [main, main.titled("again")]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, drawn: list[Drawn]) -> Path:
    """A page with all its parts."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    facts = {"data": "small", "seed": "0"}
    sheets = [FOLDED, TERMINAL, SHEET]
    machine = machine_facts("cpu")
    Page("imp: lenet on small", ANSWER, drawn, sheets, facts, CONFIG, "4 trained.", ["A note."], machine).write(path)
    return path


@pytest.fixture(scope="module")
def text(path: Path) -> str:
    """The text of that page."""
    return path.read_text(encoding="utf-8")


def cells(table: str) -> list[list[str]]:
    """The rows of a table's body, without tags."""
    body = table.split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in rows]


def test_the_answer_comes_first_then_the_main_figure_the_tables_the_rest_and_how_it_was_made(text: str) -> None:
    body = text.split("<body>")[1]
    parts = (
        "imp: lenet on small</h1>",
        "The ticket&#39;s mean test accuracy",
        "For five seeds run",
        "The main figure</h2>",
        "Results</h2>",
        "The main figure: again</h2>",
        "<summary>Differences",
        "A note.",
        "<dt>data</dt>",
        "<pre>data:",
        "4 trained.",
        "<dt>hydra-core</dt>",
    )
    order = [body.index(part) for part in parts]
    assert order == sorted(order)


def test_a_table_has_its_cells_groups_note_and_legend(text: str) -> None:
    table = text.split(">Results</h2>")[1].split("</table>")[0]
    assert cells(table) == [
        ["0", "90.00", "80.00", "of &lt; it"],
        ["1", "80.00", "70.0 60.0 to 80.0", "there"],
    ]
    assert "<b>90.00</b>" in table and '<a href="a/report.html">there</a>' in table
    assert 'colspan="2" scope="colgroup">accuracy (%)</th>' in table
    assert "Bold marks the highest." in text and "<dt>reinit</dt>" in text and "On a terminal" not in text


def test_the_columns_that_begin_a_group_are_known_and_every_cell_has_a_note() -> None:
    assert starts(SHEET) == {1} and starts(FOLDED) == set()
    assert all(isinstance(cell, Cell) and cell.note is not None for row in plain(SHEET).cells for cell in row)


def test_every_image_is_inline_and_has_a_text(text: str) -> None:
    images = re.findall(r"<img [^>]+>", text)
    assert len(images) == 2
    for image in images:
        assert re.search(r'src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', image)
        assert 'alt="A line from 0 to &#34;1&#34;."' in image


def test_nothing_comes_from_elsewhere(text: str) -> None:
    assert "://" not in text
    assert not re.search(r"<script|@import|url\(", text)
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith("data:") or address == "a/report.html"  # the link that the sheet has
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text


def test_whatever_users_wrote_is_escaped(tmp_path: Path, drawn: list[Drawn]) -> None:
    bad = "<script>alert('1')</script>"
    sheet = Sheet(bad, [bad], [[bad], [Cell(bad, note=bad)]], note=bad, legend={bad: bad})
    Page(bad, [bad], drawn, [sheet], {bad: bad}, {"own": bad}, bad, [bad], {bad: bad}).write(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script" not in text and "own: &lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;" in text
    assert "Its &lt;caption&gt;." in text and text.count("&lt;script&gt;") >= 14


def test_the_configuration_reads_as_yaml() -> None:
    assert list(yaml_lines(CONFIG)) == [
        "data:",
        "  name: small",
        "  root: null",
        "  args: {}",
        "arms: [ticket, reinit]",
        "recipe:",
        "  lr: 0.0012",
        "  nesterov: false",
        "device: cpu",
    ]


def test_versions_and_the_machine_are_there(text: str) -> None:
    for word in ("python", "torch", "lth", "hydra-core", "wandb", "numpy", "processor", "threads"):
        assert f"<dt>{word}</dt>" in text


def test_without_figures_tables_and_facts_there_is_still_a_page(tmp_path: Path) -> None:
    Page("Nothing", ["Nothing was measured."]).write(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in text and "No figure" in text and "<table" not in text and "<pre>" not in text
    assert "figures/" not in text


def test_equal_pages_are_equal_files(tmp_path: Path, drawn: list[Drawn]) -> None:
    for name in ("a", "b"):
        Page("A page", ANSWER, drawn, [SHEET], config=CONFIG).write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.slow  # a browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_a_browser_shows_it_and_asks_the_network_for_nothing(path: Path, width: int, scheme: Any) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None and os.environ.get("LTH_BROWSER") != "required":
        pytest.skip("no Chromium on this machine")
    assert browser, "CI installs Chromium, so that this is never skipped there"
    playwright = importlib.import_module("playwright.sync_api")
    asked: list[str] = []
    complaints: list[str] = []
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        shown = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(path.as_uri())
        shown.wait_for_load_state("networkidle")
        sizes = shown.evaluate("Array.from(document.images, image => image.naturalWidth)")
        overflow = shown.evaluate("document.documentElement.scrollWidth") - width
        first = shown.inner_text("p")
        chromium.close()
    assert len(sizes) == 2 and min(sizes) > 0
    assert [address for address in asked if not address.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    assert overflow <= 0  # wide tables and figures scroll in their own boxes
    assert first == ANSWER[0]
