"""The generated blocks of a page in Markdown, and paragraphs and lists that fill them."""

import importlib
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / "outputs" / "reference"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
WIDTH = 125


def contents(name: str) -> dict[Path, str]:
    """Path -> text, of every file with findings of the reference `name`: its README.md, other pages, other files."""
    module, folder = importlib.import_module(f"findings.{name}"), REFERENCE / name
    files = {folder / file: text for file, text in getattr(module, "files", dict)().items()}
    pages = {CHECKOUT / page: blocks for page, blocks in getattr(module, "pages", dict)().items()}
    pages[folder / "README.md"] = module.blocks()
    return {page: filled(page.read_text(encoding="utf-8"), blocks) for page, blocks in pages.items()} | files


def filled(markdown: str, blocks: Mapping[str, str]) -> str:
    """`markdown` with the text of each of its generated blocks.

    >>> filled("<!-- generated: a -->\\n<!-- end -->\\n", {"a": "text"})
    '<!-- generated: a -->\\n\\ntext\\n\\n<!-- end -->\\n'
    """
    names = [match[2] for match in BLOCK.finditer(markdown)]
    assert sorted(names) == sorted(blocks), f"the page has the blocks {names}, and there is text for {list(blocks)}"
    return BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]].strip()}\n\n{match[4]}", markdown)


def by_hand(markdown: str) -> str:
    """`markdown` without its generated blocks."""
    return BLOCK.sub("", markdown)


def paragraph(text: str, first: str = "", then: str = "") -> str:
    """`text` in lines; `first`, `then`: what its first line and the others begin with."""
    words = " ".join(text.split())
    return textwrap.fill(
        words, WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )


def bullets(texts: Iterable[str]) -> str:
    """A list, an item each."""
    return "\n".join(paragraph(text, "- ", "  ") for text in texts)
