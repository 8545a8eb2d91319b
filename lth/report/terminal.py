"""The terminal, where tables and sentences end: names are shown as they are, and change nothing of it."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lth.core.shown import shown


class Terminal(Console):
    """Rich's console without markup or emoji in texts; a control character from anywhere is shown as its escape.

    >>> Terminal(width=40).print("[red]:bomb: \\x1b[31m")
    [red]:bomb: \\x1b[31m
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is written for `renderable`: rich's own control codes, and texts that are `shown`."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else shown(segment.text, keep="\n")
            yield Segment(text, segment.style, segment.control)


def say(console: Console, line: str, whole: bool = False) -> None:
    """Prints a sentence, broken between words; `whole`: in one piece, as it holds a command or a path to be copied."""
    console.print(shown(line), highlight=False, markup=False, emoji=False, soft_wrap=whole)
