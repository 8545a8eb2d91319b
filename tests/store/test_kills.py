"""A process may be killed at any of its file operations: the next one comes to the same bits, and no row is lost."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lth.analysis.gradient import GradientNorm
from lth.core.files import write_json
from lth.core.weights import digest
from lth.store.files import read_run
from lth.store.layout import ASIDE, OLD_WEIGHTS, PROBES, row_files
from lth.store.rows import read_row
from lth.store.runs import Store
from lth.training.run_spec import RunSpec
from tests.kills import kill_everywhere

Search = Callable[[Path], None]


def kept(folder: Path) -> tuple[Any, ...]:
    """The runs of a store, their rows and their measurements, as they are for whoever uses it."""
    runs = {}
    for path in (path for path in (folder / "store").glob("??/*/run.json") if ASIDE not in path.parent.name):
        result = replace(read_run(path.parent), seconds=0.0, evaluation_seconds=0.0)
        runs[path.parent.name] = result.records(), {kind: digest(state) for kind, state in result.states.items()}
    rows = sorted((path.name, sorted(read_row(path).items())) for path in row_files(folder / "store"))
    return runs, rows


@pytest.fixture
def search(make_job: Callable[..., RunSpec]) -> Callable[..., Search]:
    """Trains two specs, measures one, and keeps a row of each, as a job does; `keep_at` as for `Store.train`."""
    specs = [make_job(iterations=3, evaluate_every=2), make_job(iterations=2, lr=0.02, evaluate_every=2)]

    def make(setting: str = "one", keep_at: tuple[int, ...] = (), seconds: float = 0.0, count: int = 2) -> Search:
        def search(folder: Path) -> None:
            store = Store(folder / "store", checkpoint_seconds=seconds)
            for level, spec in enumerate(specs[:count]):
                result = store.train(spec, [GradientNorm(1)] if keep_at else [], keep_at=keep_at)
                about = {"setting": setting, "seed": 0, "level": level, "arm": "ticket", "draw": 0, "run": result.run}
                norm = store.probed(result.run, "sum", lambda: float(result.final["fc1.weight"].double().sum()))  # noqa: B023
                assert norm == float(result.final["fc1.weight"].double().sum()), "of other weights"
                store.keep_row(about | {"norm": norm, "points": [asdict(point) for point in result.points]})

        return search

    return make


EVERY = pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
"""Every how many operations a process is killed."""


def empty(folder: Path) -> None:
    folder.mkdir()


@pytest.fixture
def filled(search: Callable[..., Search], tmp_path: Path) -> Path:
    """A folder with the store of another experiment, which keeps less of the same trainings."""
    (tmp_path / "filled").mkdir()
    search("of_another", seconds=9.0)(tmp_path / "filled")
    return tmp_path / "filled"


@EVERY
def test_a_first_training(search: Callable[..., Search], tmp_path: Path, step: int) -> None:
    assert kill_everywhere(search(count=1), empty, kept, tmp_path, step) > 50


@EVERY
def test_a_run_that_is_trained_again_for_more(
    search: Callable[..., Search], filled: Path, tmp_path: Path, step: int
) -> None:
    """Beside the rows of another experiment, which stay whatever happens."""

    def contents(folder: Path) -> tuple[Any, ...]:
        assert not list((folder / "store").glob("??/*damaged*")) and len(row_files(folder / "store")) == 3
        return kept(folder)

    again = search(keep_at=(1,), seconds=9.0, count=1)
    assert kill_everywhere(again, lambda folder: shutil.copytree(filled, folder), contents, tmp_path, step) > 30


@EVERY
def test_a_damaged_run_of_an_older_store(
    search: Callable[..., Search], filled: Path, tmp_path: Path, step: int
) -> None:
    """With the rows of all experiments in its folder, as it is where an older version was killed between two files."""

    def older(folder: Path) -> None:
        shutil.copytree(filled, folder)
        for path in row_files(folder / "store"):
            row = read_row(path)
            place = folder / "store" / row["run"][:2] / row["run"]
            write_json(place / "rows" / path.name, row)
            next(place.glob("weights-*")).rename(place / OLD_WEIGHTS)
            (place / OLD_WEIGHTS).write_bytes(b"of another training")
            shutil.rmtree(place / PROBES)
        shutil.rmtree(folder / "store" / "rows")

    assert kill_everywhere(search(seconds=9.0), older, kept, tmp_path, step) > 30


@pytest.mark.slow
def test_two_searches_that_share_a_store(search: Callable[..., Search], tmp_path: Path) -> None:
    assert kill_everywhere(search(), empty, kept, tmp_path, step=2, beside=80) >= 80
