"""A search around a user's own loop: lth's tickets where the loop does what lth's does, and everything found again."""

import importlib
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import lth
from lth.core.errors import LotteryError
from lth.models.lenet import mlp
from lth.store.layout import run_folders

STEPS = 20
LOOP = """
import torch
from torch import nn
from {helper} import loss_of

RATE = 0.05

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

def fit(run, steps=20):
    optimizer = run.attach(torch.optim.Adam(run.model.parameters(), RATE))
    for step in run.steps(steps):
        optimizer.zero_grad()
        loss = loss_of(run.model, torch.randn(8, 4, generator=run.rng(step)))
        loss.backward()
        optimizer.step()
        run.log(step, val_loss=loss)
    return {{"test_mse": loss}}
"""
HELPER = """
def loss_of(model, inputs):
    return (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
"""

AT_ONCE = """
import json, sys
from pathlib import Path
import lth
sys.path.insert(0, "")
from {name} import build, fit
store = lth.Store(Path("store"))
searches = lth.search(build, fit, levels=1, arms=["ticket", "reinit"], args={{"steps": 300}}, store=store)
print(json.dumps([len(store.trained), [[row["run"], row["final_test_mse"]] for row in searches.rows]]))
"""


@pytest.fixture
def written(tmp_path, monkeypatch) -> Callable[..., Any]:
    """The module with a user's loop, imported anew; keywords replace text in it or in the helper that it imports."""
    monkeypatch.syspath_prepend(tmp_path)
    name, helper = f"loop_{tmp_path.name}", f"helper_{tmp_path.name}"

    def write(**changes: str) -> Any:
        loop, help_ = LOOP.format(helper=helper), HELPER
        for old, new in changes.items():
            old = {"rate": "RATE = 0.05", "mean": ".mean()"}[old]
            loop, help_ = loop.replace(old, new), help_.replace(old, new)
        (tmp_path / f"{name}.py").write_text(loop)
        (tmp_path / f"{helper}.py").write_text(help_)
        for module in (name, helper):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode = True
        return importlib.import_module(name)

    return write


def examples(tensors: dict[str, torch.Tensor]) -> tuple[Any, Any]:
    """The training and the test set."""
    return tuple((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))


def lenet(run: Any) -> dict[str, float]:
    """What lth's own loop does, by hand."""
    train, test = run.data.train, run.data.test
    optimizer = run.attach(torch.optim.Adam(run.model.parameters(), 0.01, fused=True))
    for step in run.steps(STEPS):
        batch = run.batch(step, len(train), 20)
        loss = cross_entropy(run.model(train.images[batch]), train.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = run.model(test.images).argmax(1) == test.labels
    return {"test_accuracy": right.double().mean()}


@pytest.mark.parametrize("rewind", [0, 7])
def test_a_loop_that_does_what_lths_does_gives_its_bits(tensors, same_bits, tmp_path, rewind):
    build = lambda: mlp((1, 6, 6), 3, (12, 8))  # noqa: E731
    recipe = lth.Recipe(iterations=STEPS, batch_size=20, lr=0.01, kernels="dense")
    how = {"levels": 2, "arms": ["ticket", "reinit", "shuffle"], "rewind": rewind, "seeds": [4]}
    lths = lth.search(build, lth.Training(recipe, *examples(tensors), 0), **how, store=tmp_path / "lths")
    users = lth.search(build, lenet, data=examples(tensors), **how, store=tmp_path / "users")
    for one, other in zip(lths[4].levels, users[4].levels, strict=True):
        assert same_bits(one.result.final, other.result.final)
        assert same_bits(one.spec.mask, other.spec.mask)
        assert same_bits(one.spec.initial_state, other.spec.initial_state)
    columns = ("seed", "level", "arm", "density", "rewind", "iterations", "status", "final_test_accuracy", "task")
    rows = [[{key: row.get(key) for key in columns} for row in searches.rows] for searches in (lths, users)]
    assert rows[0] == rows[1]
    states = [_finals(tmp_path / name) for name in ("lths", "users")]
    assert states[0] == states[1] and len(states[0]) == 1 + 2 * 3 + bool(rewind)


def _finals(store: Any) -> list[str]:
    """The digests of the final weights of every run in a store."""
    from lth.core.weights import digest
    from lth.store.files import read_run

    return sorted(digest(read_run(folder).final) for folder in run_folders(store))


def test_what_was_trained_is_found_again_until_the_code_changes(written, tmp_path):
    how = {"levels": 1, "arms": ["ticket", "reinit"]}

    def trained(module: Any, **more: Any) -> int:
        store = lth.Store(tmp_path / "store")
        lth.search(module.build, module.fit, **{**how, "store": store, **more})
        return len(store.trained)

    assert trained(written()) == 3
    assert trained(written()) == 0
    assert trained(written(), decide="val_loss", better={"mse": "lower"}) == 0
    assert trained(written(), args={"steps": 10}) == 3
    assert trained(written(), version="2") == 3
    assert trained(written(rate="RATE = 0.06")) == 3
    assert trained(written(mean=".sum()")) == 3
    assert trained(written()) == 0
    module = written()
    module.RATE = 0.07  # not as its file says
    assert trained(module) == 3


def test_what_cannot_be_read_is_not_answered_from_the_store(written, tmp_path, caplog):
    module, numbers = written(), (number for number in range(9))
    wrapped = lambda run: (numbers, module.fit(run))[1]  # noqa: E731

    def trained(**more: Any) -> int:
        store = lth.Store(tmp_path / "store")
        lth.search(module.build, wrapped, levels=1, store=store, **more)
        return len(store.trained)

    assert trained() == trained() == 2
    (line,) = {record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()}
    assert "a version of the loop would answer for it" in line
    assert (trained(version="1"), trained(version="1"), trained(version="2")) == (2, 0, 2)


def unseeded(run: Any) -> dict[str, float]:
    """Draws from a generator of its own."""
    generator, optimizer = np.random.default_rng(), run.attach(torch.optim.SGD(run.model.parameters(), 0.01))
    for _ in run.steps(6):
        optimizer.zero_grad()
        run.model(torch.tensor(generator.random((4, 4)), dtype=torch.float32)).square().mean().backward()
        optimizer.step()
    return {"test_mse": 0.0}


def forgetful(run: Any) -> dict[str, float]:
    """Goes through its data in an order that it does not know any more when it is resumed."""
    optimizer = run.attach(torch.optim.SGD(run.model.parameters(), 0.01))
    stream = iter(torch.randn(6, 4, 4, generator=run.rng(-1)))
    for _ in run.steps(6):
        optimizer.zero_grad()
        run.model(next(stream)).square().mean().backward()
        optimizer.step()
    return {"test_mse": 0.0}


@pytest.mark.parametrize("fit", [unseeded, forgetful])
def test_a_loop_that_does_not_repeat_is_found_out(written, fit):
    with pytest.raises(LotteryError, match=r"gives other weights of .* a second time"):
        lth.search(written().build, fit, levels=1, check=True)


def test_a_loop_that_repeats_passes(written, caplog):
    module = written()
    assert len(lth.search(module.build, module.fit, levels=1, check=True)[0].levels) == 2
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"pruning": lth.Pruning(score="snip", score_at="init")}, "pruning.score=snip: needs data"),
        ({"pruning": lth.Pruning(score="synflow", score_at="init")}, "pruning.score=synflow: needs data"),
        ({"pruning": lth.Pruning(layer_densities="sensitivity")}, "pruning.layer_densities=sensitivity: needs data"),
        ({"pruning": lth.Pruning(schedule="gradual")}, "pruning.schedule=gradual: changes the mask in training"),
        ({"arms": ["ticket", "rigl"]}, "arms=rigl: changes its mask in training"),
        ({"arms": ["ticket", "finetune"]}, "arms=finetune: sets the learning rate"),
        ({"rewind": "2ep"}, "rewind=2ep: must be in steps"),
        ({"decide": "loss"}, "decide is called 'loss': begin it with its split"),
        ({"args": {"size": 3}}, "cannot be called as fit(run, size=...)"),
        ({"seeds": ["a"]}, "seeds='a': must be a whole number"),
    ],
)
def test_what_does_not_fit_a_loop_is_said_before_the_first_training(written, how, line):
    module, calls = written(), []

    def fit(run: Any) -> Any:
        calls.append(run)
        return module.fit(run)

    with pytest.raises(LotteryError) as caught:
        lth.search(module.build, fit, **{"levels": 1, **how})
    assert line in str(caught.value) and not calls


def test_scores_take_the_data_that_are_given(tensors):
    pruning = lth.Pruning(score="snip", score_at="init", schedule="one_shot", scope="global", fractions={"*": 0.5})
    build = lambda: mlp((1, 6, 6), 3, (12, 8))  # noqa: E731
    searches = lth.search(build, lenet, levels=1, pruning=pruning, data=examples(tensors))
    assert searches[0].tickets[1].density == 0.5


def test_data_beside_a_loop_have_a_task():
    inputs = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    given = ((inputs, inputs.sum(1, keepdim=True)),) * 2
    pruning = lth.Pruning(score="snip", score_at="init", schedule="one_shot", scope="global", fractions={"*": 0.5})

    def fit(run: Any) -> dict[str, float]:
        optimizer = run.attach(torch.optim.Adam(run.model.parameters(), 0.01))
        for _ in run.steps(3):
            optimizer.zero_grad()
            run.data.task.loss(run.model(run.data.train.images), run.data.train.labels).backward()
            optimizer.step()
        return {"test_mse": 0.0}

    how = {"levels": 1, "pruning": pruning}
    searches = lth.search(lambda: nn.Linear(4, 1), fit, **how, data=given, task="regression")
    assert searches[0].tickets[1].density == 0.5
    for wrong in ({"task": "regression"}, {"task": lth.Regression()}):
        with pytest.raises(LotteryError, match=r"^task=.* is for data beside a loop"):
            lth.search(lambda: nn.Linear(4, 1), fit, levels=1, **wrong)


def test_a_network_that_is_built_differently_each_time_is_one_line(written):
    module, widths = written(), iter(range(3, 99))
    draws = np.random.default_rng()

    def by_chance() -> nn.Module:
        network = module.build()
        nn.init.constant_(network[0].weight, draws.random())
        return network

    for build in (
        by_chance,
        lambda: nn.Linear(4, next(widths)),
        lambda: nn.Sequential(*[nn.Linear(4, 4)] * next(widths)),
    ):
        with pytest.raises(LotteryError, match="two networks that are built under one seed differ"):
            lth.search(build, module.fit, levels=1)


def test_metrics_that_change_from_training_to_training_are_one_line(written):
    module = written()

    def fit(run: Any) -> dict[str, float]:
        final = module.fit(run)
        return final if run.level == 0 else {"test_mae": 1.0}

    with pytest.raises(LotteryError, match="fit measures mse in one training and mae in another"):
        lth.search(module.build, fit, levels=1)


def test_the_report_is_that_of_the_command_line(written, tmp_path, capsys):
    module = written()
    searches = lth.search(module.build, module.fit, levels=1, arms=["ticket", "reinit"], seeds=range(3))
    folder = searches.report(tmp_path / "report")
    for name in ("results.csv", "summary.csv", "differences.csv", "report.html", "seed=1/results.csv"):
        assert (folder / name).is_file()
    ticket = lth.load_ticket(folder / "seed=1" / "ticket.safetensors")
    assert ticket.density == searches.best[1].density
    assert len(searches.rows) == 3 * 3 and {row["seed"] for row in searches.rows} == {0, 1, 2}
    assert all(row["final_test_mse"] is not None and row["decided_by"] == "val_loss" for row in searches.rows)
    assert searches[0].report(tmp_path / "one") == tmp_path / "one"


@pytest.mark.slow
def test_two_processes_at_once_train_each_run_once_and_agree(written, tmp_path, begin):
    module = written()
    code = AT_ONCE.format(name=module.__name__)
    processes = [begin(cwd=tmp_path, code=code) for _ in range(2)]
    ended = [process.wait() for process in processes]
    assert [done.returncode for done in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    (first, rows), (second, others) = (json.loads(done.stdout) for done in ended)
    assert rows == others and first + second == len(list(run_folders(tmp_path / "store"))) == 3
    alone = lth.search(module.build, module.fit, levels=1, arms=["ticket", "reinit"], args={"steps": 300})
    assert [row["final_test_mse"] for row in alone.rows] == [value for _, value in rows]
