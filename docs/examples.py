"""An extension of griffe: the doctest examples within a docstring become blocks of code."""

import re

import griffe

EXAMPLE = re.compile(r"(?:^[ ]*>>> .*(?:\n(?![ ]*\n).+)*)(?:\n\n(?=[ ]*>>>)(?:.+\n?)+)*", re.MULTILINE)


def fenced(text: str) -> str:
    """`text` with each run of lines that begins with `>>>` inside a fence.

    >>> print(fenced("Adds.\\n\\n>>> 1 + 1\\n2"))
    Adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    return EXAMPLE.sub(lambda found: f"```pycon\n{found.group().rstrip()}\n```", text)


class Examples(griffe.Extension):
    """Fences the examples of every docstring as it is loaded."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Called by griffe for each object that has a docstring or not."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
