"""Hooks of the site's build: they add the pages that are made from declarations, results and notebooks.

What is measured lies in outputs/reference, what is declared in the code, and neither is copied here by hand.
"""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402  (MkDocs does not search the folder of its hooks)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lets mkdocstrings show the examples of docstrings as code."""
    handlers = config.plugins["mkdocstrings"].config.handlers
    handlers["python"]["options"]["extensions"] = [str(DOCS / "examples.py")]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages, and the pages, figures and tables of outputs/reference under papers/."""
    for uri, text in generate.pages().items():
        files.append(File.generated(config, uri, content=text))
    for uri, path in generate.papers().items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts the claims of a paper at the end of its page."""
    if page.file.src_uri.startswith("papers/") and page.file.src_uri.endswith("README.md"):
        return generate.with_claims(markdown, page.file.src_uri.split("/")[1])
    return markdown
