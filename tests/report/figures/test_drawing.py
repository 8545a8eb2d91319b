"""Figures as files: both kinds, equal bytes for equal rows, and nothing else changed."""

import logging

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lth.core.errors import LotteryError
from lth.report.figures.drawing import Drawing, Sketch, draw
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import ACCURACY_END
from lth.report.results import Results


@pytest.fixture(scope="module")
def results():
    """What the figures of this module are drawn from."""
    return Results({"points": [{"x": x, "y": x * x} for x in range(5)]})


def sketch(results):
    """A line through the points; None without two."""
    points = results["points"]
    if len(points) < 2:
        return None
    figure = Figure(figsize=(6.9, 2), layout="constrained")
    figure.subplots().plot([point["x"] for point in points], [point["y"] for point in points])
    return Sketch("squares", "Squares", "The squares of x.", "From 0 to 16.", figure)


SQUARES = Drawing("squares", sketch)


@pytest.mark.rendered
def test_a_figure_is_a_png_and_a_pdf_and_equal_rows_give_equal_bytes(results, tmp_path):
    [[first], [second]] = [draw([SQUARES], results, tmp_path / folder) for folder in ("first", "second")]
    assert (first.name, first.title, first.alt) == ("squares", "Squares", "From 0 to 16.")
    assert {path.name for path in (tmp_path / "first").iterdir()} == {"squares.png", "squares.pdf"}
    for kind in (".png", ".pdf"):
        assert first.path.with_suffix(kind).read_bytes() == second.path.with_suffix(kind).read_bytes()
    assert first.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in first.path.with_suffix(".pdf").read_bytes()
    pixels = imread(first.path)[..., :3]
    assert pixels.shape[1] == round(6.9 * 200) and 0.005 < (pixels.min(axis=-1) < 0.9).mean() < 0.5


def test_what_was_not_measured_has_no_figure_and_no_file(tmp_path):
    assert draw([SQUARES], Results({}), tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()


def test_a_figure_that_is_not_for_the_page_is_a_file_alone(make_rows, tmp_path):
    figure = LineFigure("off_page", "Off the page", "A figure.", (ACCURACY_END,), on_page=False, dense=False)
    assert draw([figure], Results({"results": make_rows({}, levels=1)}), tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"off_page.png", "off_page.pdf"}


@pytest.mark.rendered
def test_nothing_global_changes_and_nothing_is_logged(results, tmp_path, caplog):
    with matplotlib.rc_context({"font.size": 30}):
        before = dict(matplotlib.rcParams)
        with caplog.at_level(logging.INFO):
            [mine] = draw([SQUARES], results, tmp_path / "mine")
        assert dict(matplotlib.rcParams) == before
    assert mine.titled("small numbers").title == "Squares: small numbers" and mine.title == "Squares"
    [usual] = draw([SQUARES], results, tmp_path / "usual")
    assert mine.path.read_bytes() == usual.path.read_bytes(), "it depends on the user's own settings"
    assert caplog.records == []


def test_what_a_killed_job_left_goes_and_a_link_is_not_followed(results, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / ".gone.png.abcd1234.part").touch()
    draw([SQUARES], results, tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"squares.png", "squares.pdf"}
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "figures").symlink_to(tmp_path / "figures")
    with pytest.raises(LotteryError, match="a link leads out of"):
        draw([SQUARES], results, tmp_path / "job" / "figures")
