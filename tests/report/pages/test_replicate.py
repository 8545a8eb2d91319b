"""The page: the answer first, every level, nothing from elsewhere; and a browser that opens it without the network."""

import importlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from lth.report.figures.replicate import draw_replicate
from lth.report.pages.replicate import accuracy_cell, stop_cell, write_page, yaml_lines

from lth.core.tables import Row
from lth.report.tables import RESULTS

SAYS = (
    "The ticket's test accuracy: +9.3 ± 0.7 points against reinit. One seed: no verdict. For five: lth imp -m seed=0,1"
)
CONFIG = {
    "data": {"name": "small", "root": None, "args": {}},
    "arms": ["ticket", "reinit"],
    "recipe": {"lr": 0.0012, "nesterov": False},
    "device": "cpu",
}


def result(level: int, arm: str = "ticket", draw: int = 0, **values: Any) -> Row:
    """One row of results, made up; the ticket leads from level 2 on."""
    accuracy = 0.9 if arm == "ticket" else 0.92 - 0.03 * level - 0.01 * draw
    about = {"experiment": "imp", "setting": "abc", "data": "small", "model": "lenet", "seed": 0, "rewind": 0}
    return {
        **dict.fromkeys(RESULTS),
        **about,
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": 0.8**level,
        "sparsity": 1 - 0.8**level,
        "weights_left": round(43000 * 0.8**level),
        "early_stop_iteration": 1000 * level,
        "early_stop_censored": level == 3,
        "early_stop_test_accuracy": accuracy,
        "final_test_accuracy": accuracy,
        "grad_norm_init": 0.5,
        "iterations": 3000,
        "run": f"{arm}-{level}-{draw}",
        **values,
    }


def replicate(**values: Any) -> list[Row]:
    """Results of the ticket at levels 0 to 3 and of two draws of a control from 1, with `values` in every row."""
    controls = [result(level, "reinit", draw, **values) for level in (1, 2, 3) for draw in (0, 1)]
    return [result(level, **values) for level in range(4)] + controls


def page(folder: Path, results: list[Row], says: str = SAYS, **config: Any) -> str:
    """The text of the page of `results`."""
    drawn = draw_replicate(folder / "figures", results, [], [])
    write_page(folder / "report.html", says, results, drawn, CONFIG | config, 12.3, 4)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a whole replicate."""
    folder = tmp_path_factory.mktemp("page")
    page(folder, replicate())
    return folder / "report.html"


@pytest.fixture(scope="module")
def text(whole: Path) -> str:
    """The text of that page."""
    return whole.read_text(encoding="utf-8")


def cells(html: str) -> list[list[str]]:
    """The rows of the table's body, without tags."""
    body = html.split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in row] for row in rows]


def test_the_answer_stands_before_the_main_figure_the_table_and_the_rest(text: str) -> None:
    says = SAYS.replace("'", "&#39;")
    body = text.split("<body>")[1]
    order = [body.index(part) for part in (says, "<img", "<table>", "Gradient norm</h2>", "<pre>", "hydra-core")]
    assert order == sorted(order)


def test_the_table_has_a_row_for_every_level(text: str) -> None:
    dash = "\N{EN DASH}"
    assert cells(text) == [
        ["0", "100", "90.00", dash, "0", dash, "0.0", "43,000"],
        ["1", "80.0", "90.00", "88.50 88.00 to 89.00", "1,000", "1,000", "20.0", "34,400"],
        ["2", "64.0", "90.00", "85.50 85.00 to 86.00", "2,000", "2,000", "36.0", "27,520"],
        ["3", "51.2", "90.00", "82.50 82.00 to 83.00", "≥ 3,000", "≥ 3,000", "48.8", "22,016"],
    ]
    assert text.count("<b>90.00</b>") == 3


def test_every_image_is_inline_and_has_a_text(text: str) -> None:
    images = re.findall(r"<img [^>]+>", text)
    assert len(images) == 2
    for image in images:
        assert re.search(r'src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', image)
        assert re.search(r'alt="[^"]{20,}"', image)


def test_nothing_comes_from_elsewhere(text: str) -> None:
    assert "://" not in text
    assert not re.search(r"<script|@import|url\(", text)
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith("data:")


def test_what_the_user_wrote_is_escaped(tmp_path: Path) -> None:
    results = replicate(data="<script>alert(1)</script>", model="<b>net</b>")
    html = page(tmp_path, results, says="<i>5 < 6</i>", own="<script>2</script>")
    assert "<script" not in html and "<i>" not in html and "<b>net" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "own: &lt;script&gt;2&lt;/script&gt;" in html


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


def test_versions_machine_time_and_trainings_are_there(text: str) -> None:
    for word in ("python", "torch", "lth", "hydra-core", "wandb", "numpy", "processor", "threads"):
        assert f"<dt>{word}</dt>" in text
    assert "4 trained in this command, 6 found in the store, 12 s." in text


def test_without_a_validation_split_there_are_no_early_stop_columns(tmp_path: Path) -> None:
    early = dict.fromkeys(("early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"))
    html = page(tmp_path, replicate(**early))
    assert "test accuracy at the end (%)" in html
    assert "early stop" not in html and "early-stop" not in html
    assert {len(row) for row in cells(html)} == {6}


def test_a_replicate_that_diverged_at_once_has_a_page_without_figures(tmp_path: Path) -> None:
    lost = dict.fromkeys(
        ("early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy", "final_test_accuracy")
    )
    html = page(tmp_path, [result(0, status="diverged", **lost)])
    assert "<img" not in html and "No figure" in html
    assert cells(html)[0][2] == "diverged"


def test_a_cell_says_how_many_draws_diverged() -> None:
    column = "final_test_accuracy"
    draws = [{column: 0.5, "status": "done"}, {column: None, "status": "diverged"}, {column: 0.6, "status": "done"}]
    assert accuracy_cell(draws, column) == (pytest.approx(55), "55.00", "50.00 to 60.00, 1 of 3 diverged")
    assert accuracy_cell([], column)[0] is None


def test_a_mean_early_stop_is_a_lower_bound_where_one_draw_is_censored() -> None:
    draws = [{"early_stop_iteration": 1500, "early_stop_censored": False}]
    assert stop_cell(draws) == "1,500"
    assert stop_cell([*draws, {"early_stop_iteration": 2000, "early_stop_censored": True}]) == "≥ 1,750"


@pytest.mark.slow  # a browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_a_browser_shows_it_and_asks_the_network_for_nothing(whole: Path, width: int, scheme: Any) -> None:
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
        shown.goto(whole.as_uri())
        shown.wait_for_load_state("networkidle")
        sizes = shown.evaluate("Array.from(document.images, image => image.naturalWidth)")
        overflow = shown.evaluate("document.documentElement.scrollWidth") - width
        first = shown.inner_text("p")
        chromium.close()
    assert len(sizes) == 2 and min(sizes) > 0
    assert [address for address in asked if not address.startswith("data:")] == [whole.as_uri()]
    assert complaints == []
    assert overflow <= 0  # wide tables and figures scroll in their own boxes
    assert first == SAYS
