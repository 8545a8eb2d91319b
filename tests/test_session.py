"""A session: what a run works with, made when it is first used; and the run itself, from its declaration alone."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import save_file
from torch import Tensor

from lth.core.errors import LotteryError
from lth.core.machine import describe
from lth.core.seeds import Seeds
from lth.core.tables import Column, Table
from lth.experiment import Experiment, Item
from lth.lottery.arms import ARMS
from lth.lottery.ticket import load_ticket
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.pruning.scores import SCORES
from lth.report.figures.drawing import Drawing, Sketch
from lth.report.results import Results
from lth.report.tables import RESULTS
from lth.report.wandb.tracking import tracker
from lth.session import Session, Trained, execute, five_seeds
from lth.settings import DataSettings, LevelSettings, MachineSettings, ModelSettings, StoreSettings, WandbSettings
from lth.store.layout import row_files
from lth.training.recipe import Recipe
from tests.files import read_csv
from tests.kills import kill_everywhere

NORMS = Table("norms", (Column("level", int), Column("arm", str), Column("norm", float)), key=("level", "arm"))
Make = Callable[..., LevelSettings]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Hydra: the command for five seeds is what it would say."""
    monkeypatch.setattr("lth.session.five_seeds", lambda name: f"lth {name} -m seed=0,1,2,3,4")


@pytest.fixture
def make_settings(tmp_path: Path, tensors: dict[str, Tensor]) -> Make:
    """Settings of two prunings of a 36-12-8-3 network on the small data set; keywords change them."""
    save_file(tensors, tmp_path / "small.safetensors")

    def make(**changes: Any) -> LevelSettings:
        values = {
            "experiment": "made_up",
            "data": DataSettings("small", root=str(tmp_path), validation=23),
            "model": ModelSettings("mlp", widths=[12, 8]),
            "recipe": Recipe(iterations=20, batch_size=20, evaluate_every=5),
            "wandb": WandbSettings("disabled"),
            "outputs": str(tmp_path / "outputs"),
            "probe_every": 10,
            "levels": 1,
        }
        return LevelSettings(**(values | changes))

    return make


def run(session: Session) -> Iterator[Item]:
    """Every arm of every level, a row for each level, and the last ticket."""
    plan = session.imp_plan()
    session.expect(plan.trainings)
    for outcomes in session.levels(plan):
        yield from outcomes
        norm = sum(float(kept.float().norm()) for kept in outcomes[0].level.spec.mask.values())
        yield "norms", {"level": outcomes[0].level.index, "arm": "ticket", "norm": norm}
        session.keep(outcomes[0].level, norm=norm)


def answer(results: Results) -> list[str]:
    """How many rows there are, and the command for five seeds."""
    return [f"{len(results['results'])} trainings, {results.examples}.", results.command]


def declare(run: Callable[[Session], Iterator[Item]] = run, **parts: Any) -> Experiment:
    """An experiment that runs `run`."""
    return Experiment(**({"name": "made_up", "settings": LevelSettings, "run": run, "answer": answer} | parts))


def test_a_run_leaves_its_tables_its_ticket_and_its_page(make_settings: Make, tmp_path: Path, capsys: Any) -> None:
    settings = make_settings(arms=["ticket", "reinit"])
    execute(declare(tables=(NORMS,)), settings, tmp_path / "job")
    rows = RESULTS.read(tmp_path / "job" / "results.csv")
    assert [(row["level"], row["arm"]) for row in rows] == [(0, "ticket"), (1, "ticket"), (1, "reinit")]
    assert {(row["experiment"], row["data"], row["model"], row["schedule"]) for row in rows} == {
        ("made_up", "small", "mlp", "iterative")
    }
    assert {row["setting"] for row in rows} == {Session(settings, tmp_path).setting()} != {settings.setting()}
    norms = NORMS.read(tmp_path / "job" / "norms.csv")
    assert [row["level"] for row in norms] == [0, 1]
    ticket = load_ticket(tmp_path / "job" / "ticket.safetensors")
    assert sum(int(kept.sum()) for kept in ticket.mask.values()) == rows[1]["weights_left"]
    assert (ticket.provenance["level"], ticket.provenance["run"]) == (1, rows[1]["run"])
    assert ticket.provenance["norm"] == norms[1]["norm"] and ticket.provenance["model"]["name"] == "mlp"
    shown = capsys.readouterr().out
    assert "3 trainings, {'train': 104, 'validation': 23, 'test': 37}." in shown
    assert "lth made_up -m seed=0,1,2,3,4" in shown and "3 trained, 0 found" in shown
    assert (tmp_path / "job" / "report.html").exists()


def test_the_same_again_trains_nothing_and_leaves_the_same(make_settings: Make, tmp_path: Path, capsys: Any) -> None:
    for name in ("first", "second"):
        execute(declare(tables=(NORMS,)), make_settings(), tmp_path / name)
    assert "0 trained, 2 found in the store" in capsys.readouterr().out
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / n).glob("*.csv")} for n in ("first", "second")
    )
    assert set(first) == {"results.csv", "layers.csv", "curves.csv", "correct.csv", "norms.csv"} and first == second
    tickets = [load_ticket(tmp_path / name / "ticket.safetensors") for name in ("first", "second")]
    assert tickets[0].provenance == tickets[1].provenance
    assert all(torch.equal(kept, tickets[1].mask[name]) for name, kept in tickets[0].mask.items())


def kept_in(folder: Path) -> dict[str, Any]:
    """What a job leaves: its tables without times, and the bytes of its ticket, figures and weights."""
    assert not list(folder.rglob("*.part")) and not list(folder.rglob("*.damaged*"))
    tables = {path.name: read_csv(path) for path in (folder / "job").glob("*.csv")}
    rows = [{key: cell for key, cell in row.items() if "seconds" not in key} for row in tables.pop("results.csv")]
    files = [*(folder / "job").glob("*.safetensors"), *(folder / "job" / "figures").iterdir()]
    assert len(files) == 3 and (folder / "job" / "report.html").exists()
    bytes_of = {path.name: path.read_bytes() for path in (*files, *folder.glob("outputs/store/??/*/weights-*"))}
    return {"results": rows, "tables": tables, "files": bytes_of, "rows": len(row_files(folder / "outputs" / "store"))}


@pytest.mark.parametrize("step", [97, pytest.param(11, marks=pytest.mark.slow)])
def test_a_job_may_be_killed_anywhere(make_settings: Make, tmp_path: Path, step: int) -> None:
    """While it trains, and writes tables, figures, its ticket and its page: the same again leaves the same."""

    def sketch(results: Results) -> Sketch:
        return Sketch("norms", "Norms", "Of masks.", "A line.", Figure())

    def job(folder: Path) -> None:
        settings = make_settings(recipe=Recipe(iterations=3, batch_size=20, evaluate_every=2), store=StoreSettings(0.0))
        settings.outputs = str(folder / "outputs")
        execute(declare(tables=(NORMS,), figures=(Drawing("norms", sketch),)), settings, folder / "job")

    place = tmp_path / "killed"
    place.mkdir()
    assert kill_everywhere(job, lambda folder: folder.mkdir(), kept_in, place, step) > 150


def test_a_run_that_raises_leaves_what_it_has_and_the_error(make_settings: Make, tmp_path: Path) -> None:
    def broken(session: Session) -> Iterator[Item]:
        for outcome in session.search(session.imp_plan()):
            yield outcome
            if outcome.level.index:
                raise LotteryError("the disk is full")

    with pytest.raises(LotteryError, match="the disk is full"):
        execute(declare(broken), make_settings(), tmp_path / "job")
    assert [row["level"] for row in read_csv(tmp_path / "job" / "results.csv")] == ["0", "1"]
    assert not (tmp_path / "job" / "report.html").exists()
    execute(declare(tables=(NORMS,)), make_settings(), tmp_path / "again", job=0)  # and nothing is trained twice
    assert len(list(tmp_path.glob("outputs/store/*/*/run.json"))) == 2


@pytest.mark.parametrize("item", [("norms", {"nrom": 1.0}), ("morms", {"norm": 1.0})])
def test_what_is_not_declared_is_an_error(make_settings: Make, tmp_path: Path, item: Item) -> None:
    with pytest.raises(KeyError, match="declares no"):
        execute(declare(lambda session: iter([item]), tables=(NORMS,)), make_settings(), tmp_path / "job")


def test_an_arm_may_belong_to_another_setting(make_settings: Make, tmp_path: Path) -> None:
    def two(session: Session) -> Iterator[Item]:
        (outcome,) = session.search(session.imp_plan())
        yield outcome
        yield Trained(outcome, {"setting": "other", "schedule": "snip_at_init"})
        assert [row["setting"] for row in session.rows("results")] == [session.setting(), "other"]

    execute(declare(two), make_settings(levels=0), tmp_path / "job")
    rows = read_csv(tmp_path / "job" / "results.csv")
    assert [row["schedule"] for row in rows] == ["iterative", "snip_at_init"] and rows[0]["run"] == rows[1]["run"]
    kept = row_files(tmp_path / "outputs" / "store")
    assert len(kept) == 2, "the one run has both rows"


def test_tables_that_depend_on_settings_are_declared_by_the_run(make_settings: Make, tmp_path: Path) -> None:
    def probed(session: Session) -> Iterator[Item]:
        probes = session.probes(["distance"])
        for outcomes in session.levels(session.imp_plan()):
            yield from outcomes
            yield from probes.measure(outcomes, session.progress.measuring)

    execute(declare(probed), make_settings(), tmp_path / "job")
    rows = read_csv(tmp_path / "job" / "probes.csv")
    assert [row["level"] for row in rows] == ["0", "1"] and all(row["distance_to_init"] for row in rows)


def test_what_a_run_does_not_use_is_not_made(make_settings: Make, tmp_path: Path) -> None:
    session = Session(make_settings(data=DataSettings("nowhere", root=str(tmp_path))), tmp_path / "job")
    assert session.seeds == Seeds(*[0] * len(vars(session.seeds))) and not (tmp_path / "outputs").exists()
    with pytest.raises(LotteryError, match="nowhere"):
        _ = session.data


def test_an_experiment_without_data_has_no_examples_and_no_trainings(tmp_path: Path, capsys: Any) -> None:
    @dataclass
    class Alone(MachineSettings):
        experiment: str = "alone"
        seed: int = 0

    experiment = Experiment(
        name="alone",
        settings=Alone,
        run=lambda session: iter([("norms", {"level": 0, "norm": 2.0})]),
        answer=lambda results: [f"The norm is {results['norms'][0]['norm']}, of {results.examples}."],
        tables=(NORMS,),
    )
    execute(experiment, Alone(outputs=str(tmp_path / "outputs")), tmp_path / "job")
    assert {path.name for path in (tmp_path / "job").iterdir()} == {"norms.csv", "digests.txt", "report.html"}
    shown = capsys.readouterr().out
    assert "The norm is 2.0, of {}." in shown and "trained" not in shown


def test_the_gradient_norm_is_measured_as_often_as_the_settings_say(make_settings: Make, tmp_path: Path) -> None:
    session = Session(make_settings(probe_every="2ep"), tmp_path / "job")
    assert session.gradient_norm.every == 2 * (104 // 20) and session.iterations("1ep", "rewind") == 5


def test_the_command_for_five_seeds_is_the_same_but_for_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["levels=3", "seed=7", "arms=[ticket, reinit]", "seeds.init=2", "rewinds=[300]"]
    sweeper = SimpleNamespace(params={"rewinds": "[0],[300]"})  # as a preset has it
    config = SimpleNamespace(overrides=SimpleNamespace(task=overrides), sweeper=sweeper)
    monkeypatch.setattr("lth.session.HydraConfig", SimpleNamespace(get=lambda: config))
    monkeypatch.setattr("lth.session.source_of", lambda name: SimpleNamespace(command=name))
    assert five_seeds("imp") == "lth imp -m levels=3 'arms=[ticket, reinit]' seeds.init=2 seed=0,1,2,3,4"


NET = """
import numpy
import torch
from torch import nn


class Net(nn.Module):
    calls = 0

    def __init__(self, generator=None):
        super().__init__()
        self.fc = nn.Linear(36, 3)
        self.register_buffer("mix", torch.randn(36), persistent=False)
        with torch.no_grad():
            self.fc.weight.copy_(torch.from_numpy({numbers}.normal(0, 0.1, (3, 36))))

    def forward(self, x):
        type(self).calls += 1
        return self.fc(x.flatten(1) * self.mix.sign()) * {scale}
"""


@pytest.fixture
def make_custom(make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Settings of a network of the user's, whose file is written anew."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(scale: float = 1, numbers: str = "numpy.random", **changes: Any) -> LevelSettings:
        (tmp_path / "their_net.py").write_text(NET.format(scale=scale, numbers=numbers))
        sys.modules.pop("their_net", None)
        importlib.invalidate_caches()
        model = ModelSettings("custom", initializer="default", _target_="their_net.Net")
        return make_settings(model=model, **changes)

    yield make
    sys.modules.pop("their_net", None)


def test_the_setting_of_rows_tells_code_apart_and_not_seeds(make_custom: Make, tmp_path: Path) -> None:
    settings = {
        name: Session(make_custom(**changes), tmp_path).setting()
        for name, changes in {
            "": {},
            "again": {},
            "seed": {"seed": 3},
            "split": {"seeds": Seeds(split=4)},
            "outputs": {"outputs": str(tmp_path / "elsewhere")},
            "code": {"scale": 2},
            "threads": {"threads": 2},
        }.items()
    }
    torch.set_num_threads(1)
    assert settings[""] == settings["again"] == settings["seed"] == settings["split"] == settings["outputs"]
    assert len({settings[""], settings["code"], settings["threads"]}) == 3


def test_the_setting_of_rows_tells_data_apart_by_what_they_hold(
    make_settings: Make, tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    other = tensors | {"train_labels": tensors["train_labels"].flip(0)}
    settings = []
    for place, held in (("same", tensors), ("other", other)):
        (tmp_path / place).mkdir()
        save_file(held, tmp_path / place / "small.safetensors")
        data = DataSettings("small", root=str(tmp_path / place), validation=23)
        settings.append(Session(make_settings(data=data), tmp_path).setting())
    assert Session(make_settings(), tmp_path).setting() == settings[0] != settings[1]


def test_rows_say_what_they_were_trained_by(make_settings: Make, tmp_path: Path) -> None:
    rewiring = Rewiring(every=5)
    settings = make_settings(seed=3, seeds=Seeds(order=7), arms=["ticket", "reinit", "set"], rewiring=rewiring)
    execute(declare(tables=(NORMS,)), settings, tmp_path / "job")
    rows = RESULTS.read(tmp_path / "job" / "results.csv")
    seeds = {tuple(row[f"seed_{name}"] for name in ("init", "order", "augment", "mask", "split")) for row in rows}
    assert len(rows) == 4 and seeds == {(3, 7, 3, 3, 0)}
    session = Session(settings, tmp_path)
    assert {row["data_digest"] for row in rows} == {session.data.digest[:10]}
    assert {row["architecture"] for row in rows} == {session.architecture[:10]}
    here = describe(torch.device("cpu"))
    assert {(row["torch"], row["processor"], row["threads"]) for row in rows} == {
        (here["torch"], here["processor"], here["threads"])
    }


def test_jobs_in_one_process_leave_classes_of_the_users_as_they_were(make_custom: Make, tmp_path: Path) -> None:
    settings = make_custom()
    for name in ("first", "second"):
        execute(declare(tables=(NORMS,)), settings, tmp_path / name)
    assert len(list(tmp_path.glob("outputs/store/*/*/run.json"))) == 2
    assert importlib.import_module("their_net").Net.calls == 0


def test_a_network_that_no_seed_repeats_is_named_and_its_seeds_are_one_setting(
    make_custom: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = [make_custom(numbers="numpy.random.default_rng()", seed=seed) for seed in (0, 1)]
    assert len({Session(one, tmp_path).setting() for one in settings}) == 1
    assert {x.message.partition(":")[0] for x in caplog.records if "under one seed" in x.message} == {
        "two networks that are built under one seed differ in fc.weight"
    }


def test_weights_and_biases_groups_by_the_setting_of_rows_and_tells_code_apart(
    make_custom: Make, make_settings: Make, tmp_path: Path
) -> None:
    def info(settings: LevelSettings) -> Any:
        session = Session(settings, tmp_path)
        return tracker(settings, {}, session.setting).info, session.setting()

    (first, setting), (edited, _), (again, _) = info(make_custom()), info(make_custom(scale=2)), info(make_custom())
    assert first.group == f"made_up-{setting}" and first.id == again.id != edited.id


METHODS = """
from dataclasses import replace
import lth
from their_help import factor


@lth.score
def scaled(inputs):
    return {name: weight.abs() * factor() for name, weight in inputs.weights.items()}


@lth.arm
def same(level, context):
    return replace(level.spec)
"""


@pytest.mark.parametrize("uses", [{"pruning": Pruning(score="their_methods:scaled")}, {"arms": ["their_methods:same"]}])
def test_the_setting_of_rows_tells_code_of_scores_and_arms_apart(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uses: dict[str, Any]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "their_methods.py").write_text(METHODS)
    settings = []
    for factor in (1, 2, 1):
        (tmp_path / "their_help.py").write_text(f"def factor():\n    return {factor}\n")
        for name in ("their_methods", "their_help"):
            sys.modules.pop(name, None)
        for registry in (SCORES, ARMS):
            for name in list(registry._known):
                registry._known.pop(name) if name.startswith("their_methods") else None
        importlib.invalidate_caches()
        settings.append(Session(make_settings(**uses), tmp_path).setting())
    assert settings[0] == settings[2] != settings[1]
    assert Session(make_settings(), tmp_path).setting() not in settings
