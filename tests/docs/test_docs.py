"""What the documentation shows works: its commands compose, its Python runs, and what it generates is complete."""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

import lth
from lth.analysis.probes import PROBES
from lth.cli import config
from lth.discovery import sources
from lth.lottery.arms import ARMS
from lth.pruning.scores.registry import SCORES
from tests.composing import configuration
from tests.docs.markdown import CHECKOUT, PAGES, blocks_of, commands_in, commands_of, name_of

DOCS = CHECKOUT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
PLACEHOLDERS = {"EXPERIMENT", "PAPER", "JOB", "COMMAND", "input_noise"}
"""Words of general forms such as `lth EXPERIMENT --help`, and the experiment of a page, if it were installed."""
OPEN = re.compile(r"(model|data|task)\.args\.|task\.better\.|pruning\.fractions\.")
OF_EXTRAS = ("transformers", "lightning", "accelerate")
"""Libraries whose import alone takes seconds, and warns: pages with them are among the slow tests."""
RUN = "import sys, nbformat, nbclient; nbclient.NotebookClient(nbformat.read(sys.argv[1], 4)).execute()"


def pages_with(language):
    pages = [page for page in PAGES if any(block.language == language for block in blocks_of(page))]
    slow = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
    marked = [pytest.param(page, marks=slow if extras_of(page) else [], id=name_of(page)) for page in pages]
    return pytest.mark.parametrize("page", marked)


def extras_of(page):
    """The libraries of extras that the Python of `page` imports."""
    code = "".join(block.code for block in blocks_of(page) if block.language == "python")
    return [name for name in OF_EXTRAS if re.search(rf"^(import|from) {name}\b", code, re.MULTILINE)]


def commands():
    return sorted({tuple(words) for page in PAGES for words in commands_of(page)})


def test_commands_are_found_in_lines_of_a_shell():
    assert list(commands_in("cd x && torchrun train.py", "torchrun")) == [["train.py"]]
    line = "python3 -m venv x && lth imp 'arms=[ticket,reinit]' -m seed=0,1   # two seeds"
    assert list(commands_in(line)) == [["imp", "arms=[ticket,reinit]", "-m", "seed=0,1"]]
    assert list(commands_in("lth report; lth claims frankle2019")) == [["report"], ["claims", "frankle2019"]]
    assert ("imp",) in commands() and len(commands()) > 60


class Parsed(Exception):
    """A command line was read without an error."""


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_composes(words, monkeypatch):
    name, *rest = words
    if name in PLACEHOLDERS or words in (("list",), ("claims",), ("cost",)) or {"...", "…"} & set(words):
        return
    if any(word.startswith("./") for word in words):
        return  # a folder that the page itself makes: it is run
    if name not in sources():
        parse(name, rest, monkeypatch)
    elif not {"--help", "--cfg"} & set(rest):
        compose_all(name, [word for word in rest if not word.startswith("-")])


def parse(name, words, monkeypatch):
    """Reads the words of a command that is no experiment, and stops there."""
    reader = argparse.ArgumentParser.parse_args

    def parsed(*arguments, **more):
        raise Parsed(reader(*arguments, **more))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(sys, "argv", ["lth", name, *words])
    from lth.cli import main

    with pytest.raises(Parsed):
        main()


def compose_all(experiment, overrides):
    """Composes the first and the last job of a sweep, and reads the settings, which checks their values."""
    words = [f"++{word}" if OPEN.match(word) else word for word in overrides]
    choices = []
    for word, override in zip(words, OverridesParser.create().parse_overrides(words), strict=True):
        key = word.partition("=")[0]
        swept = override.is_sweep_override()
        choices.append([f"{key}={value}" for value in override.sweep_string_iterator()] if swept else [word])
    jobs = list(product(*choices))
    for job in (jobs[0], jobs[-1]) if len(jobs) > 1 else jobs:
        config.read(configuration(experiment, *job))


def follow(page, folder, names):
    """Saves the files of `page` in `folder`, and runs its other Python, all of it in one namespace."""
    for block in blocks_of(page):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.code)
        elif block.language == "python":
            exec(compile(block.code, name_of(page), "exec"), names)


@pytest.fixture
def registries(monkeypatch):
    """What the code of a page registers is forgotten after it."""
    for registry in (ARMS, PROBES, SCORES):
        monkeypatch.setattr(registry, "_known", {thing: registry.get(thing, "page") for thing in registry})


@pages_with("python")
@pytest.mark.usefixtures("registries")
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for library in extras_of(page):
        needed(library)
    with torch.random.fork_rng():
        follow(page, tmp_path, {"__name__": "__main__"})
    for module in [name for name in sys.modules if (tmp_path / f"{name.partition('.')[0]}.py").exists()]:
        del sys.modules[module]


WITH_FILES = [page for page in PAGES if any(block.file for block in blocks_of(page))]


@pytest.mark.slow
@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("page", WITH_FILES, ids=name_of)
def test_commands_on_files_of_a_page_run(page, tmp_path, monkeypatch, command, prepared_mnist1d):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with torch.random.fork_rng():
        follow(page, tmp_path, {"__name__": "__main__"})
    lines = [line for block in blocks_of(page) if block.language == "bash" for line in block.code.splitlines()]
    ran = [words for line in lines for words in commands_in(line)]
    launched = [words for line in lines for words in commands_in(line, "torchrun")]
    assert ran or launched
    for words in launched:
        launch = [sys.executable, "-m", "torch.distributed.run", *words]
        subprocess.run(launch, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, timeout=300)
    for name, *words in ran:
        small = ["scale=smoke"] if name in sources() else []
        command(name, *words, *small, cwd=tmp_path, LTH_DATA=str(prepared_mnist1d))


@pytest.fixture
def reference(monkeypatch):
    """The modules that generate the reference pages, by name."""
    monkeypatch.syspath_prepend(str(DOCS))
    return lambda name: importlib.import_module(f"reference.{name}")


@pytest.mark.slow
def test_every_key_has_a_meaning(reference):
    names = {key.name for _, key in reference("configuration").entries()}  # keys without one are not for users
    assert {"levels", "recipe.lr", "data.root", "store.checkpoint_seconds"} <= names
    page = reference("configuration").page()
    assert "| `rewind` | duration | `0` |" in page and "| `levels` | int | " in page and "(imp)" in page


@pytest.mark.slow
def test_every_column_has_a_meaning(reference):
    tables = reference("tables").tables()
    assert {"results", "layers", "curves"} <= {table.name for table in tables}
    assert [f"{table.name}.{column.name}" for table in tables for column in table.columns if not column.meaning] == []


def test_every_public_name_is_on_the_page_of_the_api():
    page = (DOCS / "pages" / "reference" / "api.md").read_text()
    assert sorted(re.findall(r"^::: lth\.(\w+)$", page, re.MULTILINE)) == sorted(lth.__all__)


def test_examples_within_docstrings_become_blocks(monkeypatch):
    pytest.importorskip("griffe")
    monkeypatch.syspath_prepend(str(DOCS))
    fenced = importlib.import_module("examples").fenced
    assert fenced("Adds.\n\n>>> 1 + 1\n2\n\nMore.") == "Adds.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
    assert fenced("No example.") == "No example."


def test_the_claims_of_a_paper_stand_on_its_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    generate = importlib.import_module("generate")
    readme = CHECKOUT / "outputs" / "reference" / "evci2022" / "README.md"
    page = generate.with_claims(readme.read_text(), "evci2022")
    assert "| G9b |" in page and "{ #claims }" in page and "](#claims)" in page and "](claims.md)" not in page


def test_the_readme_is_short_and_installs_by_one_line():
    readme = (CHECKOUT / "README.md").read_text()
    assert len(readme.splitlines()) <= 130
    assert "\npython3 -m venv .venv && . .venv/bin/activate && pip install -e . && lth imp\n" in readme
    assert "\npython3 -m venv .venv && . .venv/bin/activate && pip install -e '.[test]' && pytest\n" in readme


def test_links_of_the_readme_lead_somewhere():
    for page in (CHECKOUT / "README.md", *(CHECKOUT / "outputs" / "reference").glob("*/README.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{name_of(page)}: {target}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_clean(path):
    notebook = json.loads(path.read_text())
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert path.stat().st_size < 200_000 and outputs
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert "/tmp/" not in path.read_text() and str(CHECKOUT) not in path.read_text()


def needed(module):
    """A module of the extra `docs`: in CI it is there, elsewhere the test is skipped without it."""
    return importlib.import_module(module) if "CI" in os.environ else pytest.importorskip(module)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    needed("nbclient"), needed("ipykernel")
    environment = {**os.environ, "WANDB_MODE": "disabled", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(path)]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=300)


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    needed("mkdocs"), needed("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", str(DOCS / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*command, "--site-dir", str(tmp_path)], check=True, env=environment, timeout=600)
    loads = re.compile(
        r"<(?:script|img|iframe|source)[^>]+src=\"(?:https?:)?//|<link[^>]+rel=\"(?!canonical)[^>]+href=\"https?://"
    )
    pages = list(Path(tmp_path).rglob("*.html"))
    assert len(pages) > 30
    assert [page.name for page in pages if loads.search(page.read_text())] == []
