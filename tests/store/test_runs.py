"""The same training twice is done once; what is damaged is set aside; two processes share a folder."""

import copy
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lth.analysis.gradient import GradientNorm
from lth.core.errors import LotteryError
from lth.core.files import write_json
from lth.core.sealed_json import write_sealed_json
from lth.core.weights import clone, digest
from lth.pruning.mask import dense, prunable
from lth.pruning.updates import GradualPruning, RigL
from lth.store.files import read_run, write_run
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.store.layout import row_files
from lth.store.probed import remembered
from lth.store.rows import read_row
from lth.store.runs import Store
from lth.training import kernels, loop
from tests.kills import ended, forked


def same(first, second):
    assert first.records() | {"seconds": 0, "evaluation_seconds": 0} == second.records() | {
        "seconds": 0,
        "evaluation_seconds": 0,
    }
    assert first.states.keys() == second.states.keys()
    for kind, state in first.states.items():
        for name, tensor in state.items():
            assert torch.equal(tensor, second.states[kind][name]), (kind, name)


@pytest.fixture
def counted(monkeypatch):
    """How many trainings were really done."""
    calls = []

    def counting(*args, **kwargs):
        calls.append(args)
        return loop.train(*args, **kwargs)

    monkeypatch.setattr("lth.store.runs.train", counting)
    return calls


def test_what_was_trained_is_found_with_the_same_bits(spec, tmp_path, counted):
    first = Store(tmp_path).train(spec)
    second = Store(tmp_path).train(spec)
    assert len(counted) == 1
    same(first, second)
    assert first.run == second.run


def test_a_run_that_was_kept_without_its_correct_examples_gets_them_without_training(spec, tmp_path, counted):
    store = Store(tmp_path)
    first = store.train(spec)
    old = replace(first, states={kind: x for kind, x in first.states.items() if kind != "correct"})
    write_run(store.path(first.run), fingerprint_inputs(spec), old, {})
    for _ in range(2):
        same(Store(tmp_path).train(spec), first)
    assert len(counted) == 1 and len(list((store.path(first.run) / "probes").iterdir())) == 1


def test_only_what_is_new_is_trained(spec, tmp_path, counted):
    store = Store(tmp_path)
    for order in (0, 1, 0, 2, 1):
        store.train(replace(spec, seeds=replace(spec.seeds, order=order)))
    assert len(counted) == len(store.trained) == 3


def test_an_observation_that_was_not_kept_is_made_by_training_again(spec, tmp_path, counted):
    store = Store(tmp_path)
    plain = store.train(spec)
    observed = store.train(spec, [GradientNorm(10)])
    assert len(counted) == 2
    assert observed.observed.keys() == {GradientNorm(10).key} and plain.observed == {}
    assert torch.equal(plain.final["fc1.weight"], observed.final["fc1.weight"])
    store.train(spec, [GradientNorm(20)])
    assert len(counted) == 3
    for observers in ([], [GradientNorm(10)], [GradientNorm(20)]):  # earlier observations are kept
        assert store.train(spec, observers).observed.keys() == {observer.key for observer in observers}
    assert len(counted) == 3


def test_the_series_of_a_run_are_those_of_the_observers_at_hand(spec, tmp_path):
    store = Store(tmp_path)
    observer = GradientNorm(10)
    first, second, without = (store.train(spec, observers) for observers in ([observer], [observer], []))
    assert first.series["grad_norm"].values == second.series["grad_norm"].values and without.series == {}
    assert [iteration for iteration, _ in second.series["grad_norm"].values] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("file", ["run.json", "weights-*.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "missing"])
def test_a_damaged_file_is_named_set_aside_and_trained_again(spec, tmp_path, counted, caplog, file, damage):
    first = Store(tmp_path).train(spec)
    (path,) = Store(tmp_path).path(first.run).glob(file)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"truncated": content[: len(content) // 2], "flipped": content, "emptied": b""}[damage])
    with caplog.at_level(logging.WARNING):
        second = Store(tmp_path).train(spec)
    assert len(counted) == 2
    same(first, second)
    if (file, damage) != ("run.json", "missing"):  # without it the run was never finished
        assert "damaged" in caplog.text and first.run in caplog.text
        assert list(tmp_path.glob("*/*.damaged-1"))


def test_the_run_of_another_fingerprint_is_not_taken(spec, tmp_path, counted, caplog):
    store = Store(tmp_path)
    one, other = store.train(spec), store.train(replace(spec, seeds=replace(spec.seeds, order=1)))
    shutil.rmtree(store.path(one.run))
    shutil.copytree(store.path(other.run), store.path(one.run))
    same(Store(tmp_path).train(spec), one)
    assert "another fingerprint" in caplog.text


IMPOSSIBLE = {
    "iterations": lambda result: replace(result, points=[replace(result.points[0], iteration=float("nan"))]),
    "status": lambda result: replace(result, status="unknown"),
    "length": lambda result: replace(result, stop=41),
    "shape": lambda result: replace(result, states=result.states | {"final": {"fc1.weight": torch.ones(2)}}),
    "NaN": lambda result: replace(
        result, states=result.states | {"final": {name: x * float("nan") for name, x in result.final.items()}}
    ),
    "nothing": lambda result: replace(result, states={}),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_a_run_that_no_training_gives_is_set_aside_whatever_its_checksum(spec, tmp_path, counted, caplog, kind):
    store = Store(tmp_path)
    first = store.train(spec)
    write_run(store.path(first.run), fingerprint_inputs(spec), IMPOSSIBLE[kind](first), {})
    second = store.train(spec)
    assert len(counted) == 2 and second.points == first.points and "its contents are impossible" in caplog.text
    assert torch.equal(first.final["fc1.weight"], second.final["fc1.weight"]) and list(tmp_path.glob("*/*.damaged-1"))


def put(kind, path):
    """Something else in place of a file."""
    makes = {"folder": path.mkdir, "file": path.touch, "pipe": lambda: os.mkfifo(path)}
    makes |= {"dangling": lambda: path.symlink_to("no"), "loop": lambda: path.symlink_to(path.name)}
    makes[kind]()


PLACES = ["", "run.json", "weights.safetensors", "checkpoint-x.safetensors", "rows", "probes", "probes/x.json"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["folder", "file", "pipe", "dangling", "loop"])
def test_whatever_lies_in_place_of_a_file_is_set_aside_or_named_in_a_line(spec, tmp_path, place, kind):
    """In the folder of a run, or in place of it: before the first training, and before one for more."""
    store = Store(tmp_path / "store")
    for keep_at in ((), (5,)):
        path = store.path(fingerprint(fingerprint_inputs(spec))) / place
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(kind, path)
        try:
            result = store.train(spec, keep_at=keep_at)
            store.probed(result.run, "key", lambda: 1)
        except LotteryError as error:
            assert "\n" not in str(error) and str(tmp_path) in str(error)
            return
        store.keep_row(kept_row(result.run))
        assert len(row_files(store.folder)) == 1


@pytest.mark.parametrize("body", [{}, {"question": 7}, {"question": {}, "trace": {}, "weights": "../x", "machine": {}}])
def test_a_sealed_file_of_something_else_is_no_run(spec, tmp_path, counted, body):
    store = Store(tmp_path)
    run = store.train(spec).run
    write_sealed_json(store.path(run) / "run.json", body)
    store.train(spec)
    assert len(counted) == 2 and list(tmp_path.glob("*/*.damaged-1"))


def test_the_fingerprint_lies_beside_the_result_and_no_checkpoint_stays(spec, tmp_path):
    store = Store(tmp_path, checkpoint_seconds=0)
    folder = store.path(store.train(spec).run)
    body = json.loads((folder / "run.json").read_text())["body"]
    assert {path.name for path in folder.iterdir()} == {"run.json", f"weights-{body['weights']}.safetensors"}
    assert body["question"]["plan"]["lr"] == spec.plan.lr
    assert body["machine"]["torch"] == torch.__version__


class Killed(BaseException):
    pass


def kill(iteration):
    """The progress of a training that is killed at iteration 25."""
    if iteration >= 25:
        raise Killed


def test_a_killed_training_goes_on_with_the_same_bits(spec, tmp_path):
    unbroken = Store(tmp_path / "a").train(spec, [GradientNorm(10)])
    broken = Store(tmp_path / "b", checkpoint_seconds=0)
    with pytest.raises(Killed):
        broken.train(spec, [GradientNorm(10)], progress=kill)
    assert list((tmp_path / "b").glob("*/*/checkpoint-*.safetensors"))
    steps = []
    same(unbroken, broken.train(spec, [GradientNorm(10)], progress=steps.append))
    assert steps[0] >= 25


def _train(folder, spec, order, results):
    torch.set_num_threads(1)
    spec = replace(spec, model=copy.deepcopy(spec.model))  # torch hands tensors to a process as shared memory
    store = Store(folder)
    for seed in order:
        result = store.train(replace(spec, seeds=replace(spec.seeds, order=seed)))
        results.put((seed, float(result.final["fc1.weight"].double().sum())))
    results.put(("trained", len(store.trained)))


@pytest.mark.slow
def test_two_processes_train_each_run_once_and_both_are_right(spec, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    orders = ([0, 1, 2, 3], [0, 2, 3, 1])
    processes = [context.Process(target=_train, args=(tmp_path, spec, order, results)) for order in orders]
    for process in processes:
        process.start()
    messages = [results.get(timeout=60) for _ in range(10)]
    for process in processes:
        process.join(60)
    assert sum(count for what, count in messages if what == "trained") == 4
    sums = {seed: {value for what, value in messages if what == seed} for seed in range(4)}
    assert all(len(values) == 1 for values in sums.values())
    alone = Store(tmp_path / "alone").train(replace(spec, seeds=replace(spec.seeds, order=2)))
    assert sums[2] == {float(alone.final["fc1.weight"].double().sum())}


def test_a_diverged_training_is_kept_too(spec, tmp_path, counted):
    wild = replace(spec, plan=replace(spec.plan, lr=1e30))
    first, second = Store(tmp_path).train(wild), Store(tmp_path).train(wild)
    assert first.status == second.status == "diverged"
    assert "final" not in second.states and len(counted) == 1


def test_a_folder_that_cannot_be_written_is_named(spec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match="file/store"):
        Store(tmp_path / "file" / "store")


def kept_row(run, **more):
    return {"setting": "one", "seed": 3, "level": 2, "arm": "ticket", "draw": 0, "run": run, "density": 0.5} | more


def test_a_run_that_is_set_aside_leaves_the_rows_of_all_experiments(spec, tmp_path):
    """Those of older stores too, which lie in the run's folder."""
    store = Store(tmp_path)
    run = store.train(spec).run
    store.keep_row(kept_row(run))
    old = store.path(run) / "rows" / "of_another.json"
    write_json(old, kept_row(run, setting="of_another"))
    (store.path(run) / "run.json").write_text("{}")
    store.train(spec)
    assert sorted(map(read_row, row_files(tmp_path)), key=str) == [
        kept_row(run, setting=x) for x in ("of_another", "one")
    ]
    assert not old.exists() and list(tmp_path.glob("*/*.damaged-1"))


def test_a_row_is_new_once_also_where_it_has_changed(tmp_path):
    store = Store(tmp_path)
    rows = [
        kept_row("ab" * 10, density=density, setting=x)
        for x, density in (("a", 1.0), ("a", 1.0), ("a", 0.5), ("b", 1.0))
    ]
    assert [store.keep_row(row) for row in rows] == [True, False, False, True]
    assert sorted(read_row(file)["density"] for file in row_files(tmp_path)) == [0.5, 1.0]


def test_a_row_with_a_name_like_a_path_stays_in_the_store(tmp_path):
    store = Store(tmp_path / "store")
    for setting in ("../../../x", "a/b", "a_b", "x" * 300):
        store.keep_row(kept_row("ab" * 10, setting=setting))
    assert len(row_files(tmp_path / "store")) == 4 and os.listdir(tmp_path) == ["store"]
    for run in ("../x", "/tmp/x", "", ".", "a.b", 7):
        with pytest.raises(LotteryError, match="is not the name of a run"):
            store.keep_row(kept_row(run))


def test_a_link_below_the_store_is_not_written_through(spec, tmp_path):
    store, theirs = Store(tmp_path / "store"), tmp_path / "theirs"
    run = store.train(spec).run
    shutil.move(store.path(run), theirs)
    store.path(run).symlink_to(theirs)
    (theirs / "checkpoint-mine.safetensors").touch()
    before = sorted(theirs.iterdir())
    assert store.train(spec).run == run  # reading does
    with pytest.raises(LotteryError, match="a link leads out of"):
        store.train(spec, keep_at=[5])
    with pytest.raises(LotteryError, match="a link leads out of"):
        store.probed(run, "key", lambda: 1)
    assert sorted(theirs.iterdir()) == before


def test_weights_that_were_not_kept_are_kept_by_training_again_and_then_both_are_there(spec, tmp_path, counted, caplog):
    caplog.set_level(logging.INFO)
    store = Store(tmp_path)
    first = store.train(spec, keep_at=[7])
    second = store.train(spec, [GradientNorm(10)], keep_at=[20, 3, 40])
    assert len(counted) == 2 and "without gradient_norm" in caplog.text
    assert set(first.states) == {"final", "early_stop", "correct", "at_7"}
    assert set(second.states) == {"final", "early_stop", "correct", "at_3", "at_20"} and second.at(40) is second.final
    for iterations in (
        [],
        [3],
        [20, 7],
        [3, 7, 20, 40],
    ):  # whatever was requested before
        again = store.train(spec, keep_at=iterations)
        assert {kind for kind in again.states if kind.startswith("at_")} == {f"at_{n}" for n in iterations if n < 40}
        for n in iterations:
            assert all(torch.equal(x, again.at(n)[name]) for name, x in loop.train(spec, keep_at=[n]).at(n).items())
    assert store.train(spec, [GradientNorm(10)], keep_at=[7]).observed and len(counted) == 2
    store.train(spec, keep_at=[8])
    assert len(counted) == 3 and "without the weights after iteration 8" in caplog.text


def test_keep_at_is_not_in_the_fingerprint_and_must_lie_within(spec, tmp_path):
    store = Store(tmp_path)
    assert store.train(spec).run == store.train(spec, keep_at=[5]).run
    with pytest.raises(LotteryError, match="keep_at=41"):
        store.train(spec, keep_at=[41])


def test_a_diverged_training_is_not_done_again_for_weights_that_it_never_reached(spec, tmp_path, counted):
    wild = replace(spec, plan=replace(spec.plan, lr=1e30))
    for _ in range(2):
        result = Store(tmp_path).train(wild, keep_at=[0, 35])
        assert result.status == "diverged" and result.keeps(0) and not result.keeps(35)
    assert len(counted) == 1


@pytest.mark.parametrize("update", [GradualPruning(0.2, 10, 30, 10), RigL(0.3, 10)])
def test_masks_that_changed_are_kept_with_the_run(spec, tmp_path, counted, update):
    gradual = isinstance(update, GradualPruning)
    changing = replace(spec, mask=dense(prunable(spec.model)) if gradual else spec.mask, update=update)
    first, second = (Store(tmp_path).train(changing, keep_at=[20]) for _ in range(2))
    assert len(counted) == 1
    same(first, second)
    plain = loop.train(changing, keep_at=[20])
    for of in ("final", "early_stop", 20):
        for name, mask in second.mask({}, of).items():
            assert mask.dtype == torch.bool and torch.equal(mask, plain.mask({}, of)[name])
    for name, mask in second.mask({}).items():
        assert not second.final[name][~mask].any()


def test_a_killed_training_goes_on_with_what_was_kept_on_the_way(spec, tmp_path):
    changing = replace(spec, update=RigL(0.3, 10))
    unbroken = Store(tmp_path / "a").train(changing, keep_at=[5, 30])
    broken = Store(tmp_path / "b", checkpoint_seconds=0)
    with pytest.raises(Killed):
        broken.train(changing, progress=kill, keep_at=[5, 30])
    same(unbroken, broken.train(changing, keep_at=[5, 30]))
    with pytest.raises(Killed):
        broken.train(replace(changing, update=RigL(0.2, 10)), progress=kill)
    assert broken.train(replace(changing, update=RigL(0.2, 10)), keep_at=[5]).keeps(5)  # not from that checkpoint


def test_a_probe_of_a_run_is_computed_once_and_kept_with_it(spec, tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"barrier": 1 / 3, "losses": (0.1, float("inf"))}

    store = Store(tmp_path)
    run = store.train(spec).run
    first, second = (Store(tmp_path).probed(run, "interpolation points=29", compute) for _ in range(2))
    assert first == second == {"barrier": 1 / 3, "losses": [0.1, float("inf")]} and len(calls) == 1
    store.probed(run, "interpolation points=30", compute)
    assert len(calls) == 2 and len(list((store.path(run) / "probes").iterdir())) == 2
    for _ in range(2):  # without a run there is no place
        assert store.probed("", "interpolation points=29", compute) == first
    assert len(calls) == 4
    store.train(spec, keep_at=[5])  # trained again to the same bits: measurements still hold
    store.probed(run, "interpolation points=29", compute)
    assert len(calls) == 4


def test_what_is_trained_again_has_the_products_of_what_is_kept(spec, half_mask, tmp_path, monkeypatch):
    """So that the bits come again, whatever this machine would choose now."""
    spec = replace(spec, plan=replace(spec.plan, kernels="auto"), mask=half_mask(spec.model))
    chain = {"fc1.weight": "chain", "fc2.weight": "chain", "output.weight": "chain"}
    monkeypatch.setattr(kernels, "LEAST_WORK", 0)
    monkeypatch.setattr(kernels, "_chain_is_faster", lambda *_: True)
    first = Store(tmp_path).train(spec)
    monkeypatch.setattr(kernels, "_chain_is_faster", lambda *_: False)
    again = Store(tmp_path).train(spec, keep_at=[5])
    assert first.kernels == again.kernels == Store(tmp_path).train(spec).kernels == chain
    assert digest(first.final) == digest(again.final)


def test_probes_of_other_weights_are_forgotten(spec, tmp_path, monkeypatch):
    """As when a run that another machine kept is trained again here, to other last bits."""
    store = Store(tmp_path)
    run = store.train(spec).run
    assert store.probed(run, "sum", lambda: 1) == 1

    def otherwise(*args, **kwargs):
        result = loop.train(*args, **kwargs)
        result.final["fc1.weight"][0] += 1e-7
        return result

    monkeypatch.setattr("lth.store.runs.train", otherwise)
    store.train(spec, keep_at=[5])
    assert store.probed(run, "sum", lambda: 2) == 2
    assert Store(tmp_path).probed(run, "sum", lambda: 3) == 2


def test_a_probe_of_two_runs_is_of_the_weights_of_both(spec, tmp_path, monkeypatch):
    store = Store(tmp_path)
    other = replace(spec, seeds=replace(spec.seeds, order=1))
    run, compared = store.train(spec).run, store.train(other).run
    assert store.probed(run, f"distance to {compared}", lambda: 1) == 1
    shutil.rmtree(store.path(compared))

    def otherwise(*args, **kwargs):
        result = loop.train(*args, **kwargs)
        result.final["fc1.weight"][0] += 1e-7
        return result

    monkeypatch.setattr("lth.store.runs.train", otherwise)
    store.train(other)
    assert store.probed(run, f"distance to {compared}", lambda: 2) == 2


def test_what_is_measured_of_a_run_that_is_damaged_or_gone_is_not_kept(spec, tmp_path):
    run = Store(tmp_path).train(spec).run
    for change in (lambda: (Store(tmp_path).path(run) / "run.json").write_text("{}"), lambda: shutil.rmtree(tmp_path)):
        change()
        store = Store(tmp_path)
        assert store.probed(run, "sum", lambda: 1) == 1 and store.probed(run, "sum", lambda: 2) == 2


def test_a_measurement_of_an_older_store_is_taken(spec, tmp_path):
    store = Store(tmp_path)
    run = store.train(spec).run
    remembered(store.path(run) / "probes", "sum", lambda: 1)
    assert store.probed(run, "sum", pytest.fail) == 1


class Unreadable(nn.Module):
    """Holds a generator, which nothing can look into without using it up."""

    def __init__(self):
        super().__init__()
        self.fc, self.source = nn.Linear(36, 3), [(x for x in (1, 2))]

    def forward(self, x):
        return self.fc(x.flatten(1))


def test_what_cannot_be_read_is_never_answered_from_the_store(make_job, tmp_path, counted, caplog):
    model = Unreadable()
    spec = make_job(model=model, initial_state=clone(model.state_dict()), iterations=20)
    store = Store(tmp_path, checkpoint_seconds=0)
    first, second = store.train(spec), store.train(spec)
    assert len(counted) == 2 and first.run != second.run and not store.busy(spec)
    same(first, second)
    said = [record.message for record in caplog.records if "not answered" in record.message]
    assert said == ["run is not answered from the store: source[0] (generator) cannot be read"]
    assert read_run(store.path(first.run)).records() == first.records(), "it is kept, for probes and reports"
    assert store.probed(first.run, "key", lambda: 1) == store.probed(first.run, "key", lambda: 2) == 1


@pytest.fixture
def shared_folder():
    """A folder that other users of the machine see."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def as_another_user(action):
    """Does `action` in a fork, as a user who may not write what is others'."""

    def act():
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        action()

    return ended(forked(act))


def test_a_store_that_may_not_be_written_answers_what_it_has(spec, make_job, shared_folder, caplog):
    store = Store(shared_folder / "store")
    first = store.train(spec)
    store.probed(first.run, "kept", lambda: 1)
    (store.path(first.run) / "x").touch()
    for path in (shared_folder / "store", *(shared_folder / "store").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)

    def use():
        there = Store(shared_folder / "store")
        same(there.train(spec), first)
        assert not there.busy(spec) and there.probed(first.run, "kept", pytest.fail) == 1
        assert there.probed(first.run, "new", lambda: 2) == 2
        for level in range(2):
            there.keep_row(kept_row(first.run, level=level))
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert [line.partition(":")[0] for line in lines] == [
            "a measurement is used, but not kept",
            "rows of results are not kept in the store",
        ]
        for training, keep_at in ((make_job(iterations=2), ()), (spec, (5,))):
            with pytest.raises(LotteryError, match=r"cannot write .*store.*: (Permission|Read-only)"):
                there.train(training, keep_at=keep_at)

    assert as_another_user(use) == 0


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444])
def test_a_run_that_may_not_be_read_is_one_line_before_any_training(spec, shared_folder, counted, mode):
    store = Store(shared_folder / "store")
    folder = store.path(store.train(spec).run)
    for path in (store.folder, folder.parent, *folder.parent.glob("*.lock")):
        path.chmod(0o777)
    for path in folder.iterdir():
        path.chmod(0)
    folder.chmod(mode)

    def use():
        with pytest.raises(LotteryError, match=r"cannot (read|write) .*: Permission denied") as raised:
            Store(shared_folder / "store").train(spec)
        assert "\n" not in str(raised.value) and len(counted) == 1

    assert as_another_user(use) == 0
    folder.chmod(0o700)
