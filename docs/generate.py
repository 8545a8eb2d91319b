"""The pages that are made when the site is built, as Markdown: from declarations, from results, from notebooks.

`python docs/generate.py FOLDER` writes them into a folder, to read them or to build the site with another program.
"""

import base64
import json
import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from reference import commands, configuration, tables  # noqa: E402  (the folder of this file is not always on the path)

REFERENCE = DOCS.parent / "outputs" / "reference"
SHOWN = {".png", ".csv", ".md"}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
CLAIMS = {
    "claims.md": "The paper's claims",
    "claims_lenet.md": "The claims about Lenet-300-100",
    "claims_resnet20.md": "The claims about ResNet-20",
    "claims_mask0.md": "The claims over the runs of mask 0",
    "claims_mlp.md": "The claims about the MLP",
    "claims_transformer.md": "The claims about the transformer",
}


def pages() -> dict[str, str]:
    """Path below docs/pages -> text, of every generated page."""
    return {
        "reference/configuration.md": configuration.page(),
        "reference/tables.md": tables.page(),
        "reference/commands.md": commands.page(),
    } | notebooks()


def papers() -> dict[str, Path]:
    """Path below docs/pages -> file, of what lies in outputs/reference; claims are a part of their paper's page."""
    files = sorted(path for path in REFERENCE.rglob("*") if path.suffix in SHOWN and path.name not in CLAIMS)
    return {f"papers/{path.relative_to(REFERENCE)}": path for path in files}


def with_claims(markdown: str, paper: str) -> str:
    """The page of `paper` with its tables of claims, a heading each; links to their files lead there."""
    for name, heading in CLAIMS.items():
        file = REFERENCE / paper / name
        if file.exists():
            title, _, body = file.read_text(encoding="utf-8").partition("\n")
            assert title.startswith("# "), f"{file} begins with its title"
            anchor = name.removesuffix(".md").replace("_", "-")
            markdown = markdown.replace(f"]({name})", f"](#{anchor})")
            markdown += f"\n## {heading} {{ #{anchor} }}\n{body}"
    return markdown


def notebooks() -> dict[str, str]:
    """The notebooks in docs/notebooks as pages."""
    return {
        f"notebooks/{path.stem}.md": page_of(json.loads(path.read_text(encoding="utf-8")), path.name)
        for path in sorted((DOCS / "notebooks").glob("*.ipynb"))
    }


def page_of(notebook: dict[str, Any], name: str) -> str:
    """A notebook as Markdown: its text, its code, and what its cells show."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [shown for output in cell["outputs"] if (shown := output_of(output))]
    note = f"*This page is the notebook `docs/notebooks/{name}`, as it was run last.*"
    return "\n\n".join([*parts[:1], note, *parts[1:]]) + "\n"


def output_of(output: dict[str, Any]) -> str:
    """What a cell shows: a picture, Markdown, or plain text; empty for what only a browser's scripts can show."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = base64.b64encode(base64.b64decode("".join(data["image/png"]))).decode()
        return f"![Figure](data:image/png;base64,{picture})"
    if "text/markdown" in data:
        return "".join(data["text/markdown"])
    text = "".join(output.get("text", data.get("text/plain", "")))
    plain = COLOURS.sub("", text).rstrip()
    return f"```text\n{plain}\n```" if plain else ""


def main(folder: Path) -> None:
    """Writes every generated page below `folder`, and copies of the papers' files."""
    for uri, text in pages().items():
        place = folder / uri
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    for uri, path in papers().items():
        place = folder / uri
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        if path.name == "README.md":
            place.write_text(with_claims(place.read_text(encoding="utf-8"), path.parent.name), encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser(description="Writes the generated pages of the documentation into a folder.")
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
