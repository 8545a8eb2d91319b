"""Figures as files: a declared figure is sketched from results, and a sketch is written as PNG and PDF."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lth.core.files import check_below, clear_leftovers, replacing
from lth.core.shown import shown
from lth.report.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure as Canvas


MOST = 120
"""The longest line of text in a figure, in characters."""


@dataclass(frozen=True)
class Sketch:
    """A figure not yet written, and what is said about it; `alt` says in words what it shows."""

    name: str
    title: str
    caption: str
    alt: str
    figure: "Canvas"


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn: the PNG at `path`, the PDF beside it; `alt` says in words what it shows."""

    name: str
    title: str
    caption: str
    alt: str
    path: Path

    def titled(self, about: str) -> "Drawn":
        """The same, with what it is about after its title."""
        return replace(self, title=f"{self.title}: {about}")


class Figure(Protocol):
    """A declared figure: it draws itself from results, of one seed or of several."""

    @property
    def name(self) -> str:
        """The name of its files."""
        ...

    def sketch(self, results: Results) -> Sketch | None:
        """The figure of `results`; None where nothing of it was measured."""
        ...


@dataclass(frozen=True)
class Drawing:
    """A figure that a function draws, for what no declaration covers."""

    name: str
    function: "Callable[[Results], Sketch | None]"

    def sketch(self, results: Results) -> Sketch | None:
        """What the function draws."""
        return self.function(results)


def draw(figures: Iterable[Figure], results: Results, folder: Path) -> list[Drawn]:
    """Draws `figures` of `results` into `folder`, each as PNG and PDF; the same rows give the same bytes.

    Gives those that a page shows. What was not measured is left out: no figure has an empty panel. What killed jobs
    left in the folder goes. Raises LotteryError for a folder that cannot be written, or is a link elsewhere.
    """
    check_below(folder, folder.parent)
    clear_leftovers(folder)
    with drawing():
        drawn = [
            (figure, write_sketch(folder, sketch))
            for figure in figures
            if (sketch := figure.sketch(results)) is not None
        ]
        return [file for figure, file in drawn if getattr(figure, "on_page", True)]


@contextmanager
def drawing() -> Iterator[None]:
    """Within, figures look alike whatever the user's matplotlibrc says; afterwards all is as it was."""
    from matplotlib import style

    from lth.report.figures.axes import PLAIN

    with style.context(["default", PLAIN]):
        yield


def legible(text: str) -> str:
    """`text` as a figure has it: each line shown, and at most `MOST` characters of it."""
    lines = (shown(line) for line in text.split("\n"))
    return "\n".join(line if len(line) <= MOST else f"{line[: MOST - 3]}..." for line in lines)


def write_sketch(folder: Path, sketch: Sketch) -> Drawn:
    """Writes `sketch` into `folder` as PNG and PDF; equal sketches give equal bytes. To be called within `drawing`.

    Control characters in names are drawn as their escapes, and long names are cut: they leave room for the data.
    """
    from matplotlib.text import Text

    for text in sketch.figure.findobj(Text):
        if isinstance(text, Text) and text.get_text() != (drawn := legible(text.get_text())):
            text.set_text(drawn)
    for kind, write in (("png", write_png), ("pdf", write_pdf)):
        with replacing(folder / f"{sketch.name}.{kind}", lasting=False) as temporary:
            write(sketch.figure, temporary)
        sketch.figure.set_layout_engine("none")  # the second file takes the layout of the first
    return Drawn(sketch.name, sketch.title, sketch.caption, sketch.alt, folder / f"{sketch.name}.png")


def write_png(figure: "Canvas", path: Path) -> None:
    """Writes `figure` as PNG, drawn once, where `savefig` draws it twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from lth.report.figures.axes import DPI

    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib's methods are not all typed
    canvas.print_png(path)


def write_pdf(figure: "Canvas", path: Path) -> None:
    """Writes `figure` as PDF, drawn once, without a date: equal rows give equal files."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    canvas: Any = FigureCanvasPdf(figure)
    canvas.print_pdf(path, metadata={"CreationDate": None})
