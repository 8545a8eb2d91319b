"""A killed training goes on to the same bits; a damaged or foreign file is not used."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lth.core.errors import LotteryError
from lth.core.weights import digest
from lth.training.checkpoint import Checkpoint, Snapshot, check_snapshot
from lth.training.loop import train
from lth.training.optimizer import check_optimizer, make_optimizer, optimizer_tensors, restore_optimizer
from lth.training.run_result import IMPOSSIBLE, RunResult
from lth.training.run_spec import RunSpec
from tests.training.watched import RECIPES, Killed, Watch, equal

HERE = {"torch": "1", "threads": 1}


@pytest.fixture(scope="module")
def unbroken(rich_job: Callable[..., RunSpec]) -> dict[str, RunResult]:
    """The result of each recipe, trained in one go."""
    return {name: train(rich_job(**recipe), [Watch()]) for name, recipe in RECIPES.items()}


def killed(spec: RunSpec, path: Path, look: int) -> Path:
    """The checkpoint that a training leaves when it is killed at its `look`."""
    with pytest.raises(Killed):
        train(spec, [Watch(look)], Checkpoint(path, 0, HERE))
    return path


@pytest.mark.parametrize("look", [1, 2, 6, 8, 9, 17, 23, 30, 31])
@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_training_goes_on_to_the_same_bits(
    rich_job: Callable[..., RunSpec], unbroken: dict[str, RunResult], tmp_path: Path, name: str, look: int
) -> None:
    spec, path, watch = rich_job(**RECIPES[name]), tmp_path / "c", Watch()
    killed(spec, path, look)
    assert equal(train(spec, [watch], Checkpoint(path, 0, HERE)), unbroken[name])
    assert watch.looks == 31 if look <= 2 else watch.looks == 31 - (look - 1)  # it went on, not started again


def test_a_training_killed_again_and_again_goes_on(
    rich_job: Callable[..., RunSpec], unbroken: dict[str, RunResult], tmp_path: Path
) -> None:
    spec, path = rich_job(**RECIPES["adam"]), tmp_path / "c"
    for look in (5, 4, 9, 3):
        killed(spec, path, look)
    assert equal(train(spec, [Watch()], Checkpoint(path, 0, HERE)), unbroken["adam"])


def test_checkpointing_changes_no_bit(
    rich_job: Callable[..., RunSpec], unbroken: dict[str, RunResult], tmp_path: Path
) -> None:
    assert equal(train(rich_job(**RECIPES["adam"]), [Watch()], Checkpoint(tmp_path / "c", 0, HERE)), unbroken["adam"])


def test_a_rewound_training_goes_on_too(rich_job: Callable[..., RunSpec], tmp_path: Path) -> None:
    spec = rich_job(rewind=11, schedule="cosine")
    killed(spec, tmp_path / "c", 8)
    assert equal(train(spec, [Watch()], Checkpoint(tmp_path / "c", 0, HERE)), train(spec, [Watch()]))


def test_seconds_add_up_over_kills(rich_job: Callable[..., RunSpec], tmp_path: Path) -> None:
    killed(rich_job(), tmp_path / "c", 20)
    snapshot = Checkpoint(tmp_path / "c", 0, HERE).read()
    assert snapshot is not None and snapshot.iteration == 18 and snapshot.records["seconds"] > 0
    assert train(rich_job(), [Watch()], Checkpoint(tmp_path / "c", 0, HERE)).seconds > snapshot.records["seconds"]


def damages(content: bytes) -> dict[str, bytes]:
    middle = len(content) - 40
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return {"truncated": content[:-5], "headless": content[100:], "empty": b"", "text": b"hello", "flipped": flipped}


@pytest.fixture
def starts_again(
    rich_job: Callable[..., RunSpec], unbroken: dict[str, RunResult], tmp_path: Path
) -> Callable[..., None]:
    """Asserts that a checkpoint which `spoil` has changed, or read on another `machine`, is not used."""

    def check(spoil: Callable[[bytes], bytes], machine: dict[str, object]) -> None:
        spec, path, watch = rich_job(**RECIPES["adam"]), tmp_path / "c", Watch()
        killed(spec, path, 15)
        path.write_bytes(spoil(path.read_bytes()))
        assert equal(train(spec, [watch], Checkpoint(path, 0, machine)), unbroken["adam"]) and watch.looks == 31

    return check


@pytest.mark.parametrize("damage", ["truncated", "headless", "empty", "text", "flipped"])
def test_a_damaged_checkpoint_is_not_used(
    starts_again: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    starts_again(lambda content: damages(content)[damage], HERE)
    assert str(tmp_path / "c") in caplog.text and "starts again" in caplog.text


@pytest.mark.parametrize("machine", [{"torch": "2", "threads": 1}, {"torch": "1", "threads": 2}, {}])
def test_a_checkpoint_of_another_machine_is_not_used(
    starts_again: Callable[..., None], caplog: pytest.LogCaptureFixture, machine: dict[str, object]
) -> None:
    starts_again(lambda content: content, machine)
    assert "another machine" in caplog.text


def crafted(change: Callable[[Snapshot], Any]) -> Callable[[Snapshot], Snapshot]:
    def craft(snapshot: Snapshot) -> Snapshot:
        change(snapshot)
        return snapshot

    return craft


NAN = float("nan")
CRAFTED: dict[str, Callable[[Snapshot], Snapshot]] = {
    **{f"iteration {x}": partial(replace, iteration=x) for x in (-1, 0.5, NAN, True, None, "9", 30, 10**40)},  # type: ignore[arg-type]
    **{f"batches {x}": crafted(lambda s, x=x: s.records.update(batches=x)) for x in (-1, 0.5, NAN, None, 99)},
    "records of another kind": partial(replace, records=[]),  # type: ignore[arg-type]
    "no records": partial(replace, records={}),
    "another length": crafted(lambda s: s.records.update(stop=31)),
    "an unknown status": crafted(lambda s: s.records.update(status="unknown")),
    "an end": crafted(lambda s: s.records.update(status="diverged")),
    "a point to come": crafted(lambda s: s.records["points"][-1].update(iteration=29)),
    "points of another kind": crafted(lambda s: s.records.update(points=7)),
    "no points": crafted(lambda s: s.records.update(points=[], observed={})),
    "no model": crafted(lambda s: s.states.pop("model")),
    "a weight missing": crafted(lambda s: s.states["model"].popitem()),
    "another shape": crafted(lambda s: s.states["model"].update({"0.weight": torch.ones(4, 1, 3, 2)})),
    "another type": crafted(lambda s: s.states["model"].update({"0.weight": torch.ones(4, 1, 3, 3).half()})),
    "NaN weights": crafted(lambda s: s.states["model"]["0.weight"].fill_(NAN)),
    "another early stop": crafted(lambda s: s.states["early_stop"].update({"0.weight": torch.ones(2)})),
    "no loss": crafted(lambda s: s.states.pop("sums")),
    "a loss of two": crafted(lambda s: s.states["sums"].update(loss=torch.ones(2))),
    "an optimiser of words": crafted(lambda s: s.optimizer.update({"x/step": torch.ones(())})),
    "an optimiser of more": crafted(lambda s: s.optimizer.update({"99/step": torch.ones(())})),
    "a momentum of another shape": crafted(lambda s: s.optimizer.update({"0/exp_avg": torch.ones(2)})),
    "a NaN momentum": crafted(lambda s: s.optimizer["0/exp_avg"].fill_(NAN)),
    "no momentum": crafted(lambda s: s.optimizer.pop("0/exp_avg")),
}


@pytest.fixture(scope="module")
def snapshot(rich_job: Callable[..., RunSpec], tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """What a training leaves that is killed at iteration 13."""
    path = killed(rich_job(**RECIPES["adam"]), tmp_path_factory.mktemp("killed") / "c", 15)
    back = Checkpoint(path, 0, HERE).read()
    assert back is not None
    return back


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_snapshot_that_does_not_fit_is_known(rich_job: Callable[..., RunSpec], snapshot: Snapshot, kind: str) -> None:
    spec = rich_job(**RECIPES["adam"])
    optimizer = make_optimizer(spec.model, spec.plan)

    def check(snapshot: Snapshot) -> None:
        check_snapshot(snapshot, spec)
        check_optimizer(snapshot.optimizer, optimizer)

    check(snapshot)
    with pytest.raises(IMPOSSIBLE):
        check(CRAFTED[kind](copy.deepcopy(snapshot)))


def test_a_checkpoint_that_does_not_fit_is_not_used_whatever_its_checksum(
    rich_job: Callable[..., RunSpec],
    unbroken: dict[str, RunResult],
    snapshot: Snapshot,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch, checkpoint = Watch(), Checkpoint(tmp_path / "c", 1e9, HERE)
    other = copy.deepcopy(snapshot)
    other.states["model"]["1.running_mean"] = torch.ones(5)  # found out as the network takes it
    checkpoint.write(other)
    assert equal(train(rich_job(**RECIPES["adam"]), [watch], checkpoint), unbroken["adam"]) and watch.looks == 31
    assert [str(tmp_path / "c") in line and "does not fit" in line for line in caplog.messages] == [True]


SNAPSHOT = Snapshot(
    17,
    {"model": {"a.weight": torch.tensor([[1.0, 0.1]]), "n": torch.tensor(7)}, "sums": {"loss": torch.tensor(0.3)}},
    {"0/exp_avg": torch.tensor([[0.5, 0.25]]), "0/step": torch.tensor(17.0)},
    {"start": 0, "stop": 30, "points": [{"iteration": 14, "lr": 0.01, "val_loss": 0.75}], "batches": 3},
)


def parts(snapshot: Snapshot) -> tuple:
    states = {key: digest(state) for key, state in snapshot.states.items()}
    return snapshot.iteration, states, digest(snapshot.optimizer), snapshot.records


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "c", 0, HERE).write(SNAPSHOT)
    back = Checkpoint(tmp_path / "c", 0, HERE).read()
    assert back is not None and parts(back) == parts(SNAPSHOT)
    assert Checkpoint(tmp_path / "none", 0, HERE).read() is None


@pytest.mark.parametrize("bit", [0, 3])
def test_a_bit_flipped_anywhere_is_noticed_or_means_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bit: int
) -> None:
    """In the header too, where the iteration and the records are."""
    caplog.set_level("CRITICAL", "lth")
    path = tmp_path / "c"
    Checkpoint(path, 0, HERE).write(SNAPSHOT)
    content, used = path.read_bytes(), []
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ (1 << bit)]) + content[position + 1 :])
        back = Checkpoint(path, 0, HERE).read()
        if back is not None and parts(back) != parts(SNAPSHOT):
            used.append(content[max(0, position - 12) : position + 4])
    assert used == []


def test_a_file_cut_anywhere_is_not_used(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "c", 0, HERE).write(SNAPSHOT)
    content = (tmp_path / "c").read_bytes()
    for end in range(0, len(content), 7):
        (tmp_path / "c").write_bytes(content[:end])
        assert Checkpoint(tmp_path / "c", 0, HERE).read() is None


def test_a_checkpoint_is_due_after_its_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = [100.0]
    monkeypatch.setattr("lth.training.checkpoint.time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "c", 60, HERE, _last=100.0)
    assert not checkpoint.due()
    now[0] = 160.0
    assert checkpoint.due()
    checkpoint.write(SNAPSHOT)
    assert not checkpoint.due()


def test_a_checkpoint_that_is_never_due_writes_nothing(make_job: Callable[..., RunSpec], tmp_path: Path) -> None:
    train(make_job(), checkpoint=Checkpoint(tmp_path / "c", 1e9, HERE))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(
    make_job: Callable[..., RunSpec], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match=str(tmp_path / "file" / "c")):
        train(make_job(), checkpoint=Checkpoint(tmp_path / "file" / "c", 0, HERE))


@pytest.mark.parametrize("name", RECIPES)
def test_an_optimizer_goes_and_comes_back(make_job: Callable[..., RunSpec], name: str) -> None:
    spec = make_job(**RECIPES[name])
    first, second = (make_optimizer(spec.model, spec.plan) for _ in range(2))
    for parameter in spec.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    first.step()
    restore_optimizer(second, optimizer_tensors(first))
    assert digest(optimizer_tensors(second)) == digest(optimizer_tensors(first))
    assert second.param_groups[0]["lr"] == spec.plan.lr and len(second.param_groups) == len(first.param_groups)
