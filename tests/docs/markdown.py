"""The code blocks of the documentation, as the tests find them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = [
    CHECKOUT / "README.md",
    *sorted((CHECKOUT / "docs" / "pages").rglob("*.md")),
    *sorted((CHECKOUT / "outputs" / "reference").glob("*/README.md")),
]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>\S[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(lth [^`\n]+)`")
SEPARATORS = {"&&", ";", "|"}


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language, the file that it is to be saved as (empty: it is run), and the code."""

    language: str
    file: str
    code: str


def name_of(page: Path) -> str:
    """The path of `page` in the checkout."""
    return str(page.relative_to(CHECKOUT))


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of `page`, in order."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = match["info"].partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(language, title[1] if title else "", code))
    return found


def commands_of(page: Path) -> Iterator[list[str]]:
    """The words of every `lth` command on `page`: in blocks of bash, and within sentences."""
    text = page.read_text(encoding="utf-8")
    shells = [block.code for block in blocks_of(page) if block.language == "bash"]
    lines = [line for code in shells for line in code.replace("\\\n", " ").splitlines()]
    for line in [*lines, *INLINE.findall(FENCE.sub("", text))]:
        yield from commands_in(line)


def commands_in(line: str, program: str = "lth") -> Iterator[list[str]]:
    """The words of the commands of `program` in a line for a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        split = [*lexer, "&&"]
    except ValueError:  # a quote that a block of another kind leaves open
        return
    for word in split:
        if word in SEPARATORS:
            if words[:1] == [program]:
                yield words[1:]
            words = []
        else:
            words.append(word)
