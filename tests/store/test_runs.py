"""Ask twice, train once; what is damaged is set aside; two processes share a folder."""

import copy
import json
import logging
import multiprocessing
import time
from dataclasses import replace

import pytest
import torch

from lth.core.errors import LotteryError
from lth.probes.gradient import GradientNorm
from lth.store.runs import Store
from lth.training import loop


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


def test_what_was_trained_is_found_with_the_same_bits(job, tmp_path, counted):
    first = Store(tmp_path).train(job)
    second = Store(tmp_path).train(job)
    assert len(counted) == 1
    same(first, second)
    assert first.run == second.run


def test_only_what_is_new_is_trained(job, tmp_path, counted):
    store = Store(tmp_path)
    for order in (0, 1, 0, 2, 1):
        store.train(replace(job, seeds=replace(job.seeds, order=order)))
    assert len(counted) == len(store.trained) == 3


def test_an_observation_that_was_not_kept_is_made_by_training_again(job, tmp_path, counted):
    store = Store(tmp_path)
    plain = store.train(job)
    observed = store.train(job, [GradientNorm(10)])
    assert len(counted) == 2
    assert observed.observed.keys() == {GradientNorm(10).key} and plain.observed == {}
    assert torch.equal(plain.final["fc1.weight"], observed.final["fc1.weight"])
    store.train(job, [GradientNorm(20)])
    assert len(counted) == 3
    for observers in ([], [GradientNorm(10)], [GradientNorm(20)]):  # what was seen before is kept
        assert store.train(job, observers).observed.keys() == {observer.key for observer in observers}
    assert len(counted) == 3


@pytest.mark.parametrize("file", ["run.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "missing"])
def test_a_damaged_file_is_named_set_aside_and_trained_again(job, tmp_path, counted, caplog, file, damage):
    first = Store(tmp_path).train(job)
    path = Store(tmp_path).path(first.run) / file
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"truncated": content[: len(content) // 2], "flipped": content, "emptied": b""}[damage])
    with caplog.at_level(logging.WARNING):
        second = Store(tmp_path).train(job)
    assert len(counted) == 2
    same(first, second)
    if (file, damage) != ("run.json", "missing"):  # without it the run was never finished
        assert "damaged" in caplog.text and first.run in caplog.text
        assert list(tmp_path.glob("*/*.damaged-1"))


def test_the_answer_to_another_question_is_not_taken(job, tmp_path, counted, caplog):
    store = Store(tmp_path)
    one, other = store.train(job), store.train(replace(job, seeds=replace(job.seeds, order=1)))
    for name in ("run.json", "weights.safetensors"):
        (store.path(one.run) / name).write_bytes((store.path(other.run) / name).read_bytes())
    same(Store(tmp_path).train(job), one)
    assert "another question" in caplog.text


def test_the_question_lies_beside_the_result_and_no_checkpoint_stays(job, tmp_path):
    store = Store(tmp_path, checkpoint_seconds=0)
    folder = store.path(store.train(job).run)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "weights.safetensors"]
    body = json.loads((folder / "run.json").read_text())["body"]
    assert body["question"]["plan"]["lr"] == job.plan.lr
    assert body["machine"]["torch"] == torch.__version__


def test_a_killed_training_goes_on_with_the_same_bits(job, tmp_path):
    class Killed(BaseException):
        pass

    def kill(iteration):
        if iteration >= 25:
            raise Killed

    unbroken = Store(tmp_path / "a").train(job, [GradientNorm(10)])
    broken = Store(tmp_path / "b", checkpoint_seconds=0)
    with pytest.raises(Killed):
        broken.train(job, [GradientNorm(10)], progress=kill)
    assert list((tmp_path / "b").glob("*/*/checkpoint-*.safetensors"))
    seen = []
    same(unbroken, broken.train(job, [GradientNorm(10)], progress=seen.append))
    assert seen[0] >= 25


def _train(folder, job, order, results):
    torch.set_num_threads(1)
    job = replace(job, model=copy.deepcopy(job.model))  # torch hands tensors to a process as shared memory
    store = Store(folder)
    for seed in order:
        trace = store.train(replace(job, seeds=replace(job.seeds, order=seed)))
        results.put((seed, float(trace.final["fc1.weight"].double().sum())))
    results.put(("trained", len(store.trained)))


def test_two_processes_train_each_run_once_and_both_are_right(job, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    orders = ([0, 1, 2, 3], [0, 2, 3, 1])
    processes = [context.Process(target=_train, args=(tmp_path, job, order, results)) for order in orders]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in range(10)]
    for process in processes:
        process.join(60)
    assert sum(count for what, count in found if what == "trained") == 4
    sums = {seed: {value for what, value in found if what == seed} for seed in range(4)}
    assert all(len(values) == 1 for values in sums.values())
    alone = Store(tmp_path / "alone").train(replace(job, seeds=replace(job.seeds, order=2)))
    assert sums[2] == {float(alone.final["fc1.weight"].double().sum())}


def test_a_lock_that_a_dead_process_held_is_free(job, tmp_path):
    store = Store(tmp_path)
    with store._lock("ab" * 10):
        pass
    began = time.monotonic()
    with store._lock("ab" * 10):
        assert time.monotonic() - began < 5


def test_a_diverged_training_is_kept_too(job, tmp_path, counted):
    wild = replace(job, plan=replace(job.plan, lr=1e30))
    first, second = Store(tmp_path).train(wild), Store(tmp_path).train(wild)
    assert first.status == second.status == "diverged"
    assert "final" not in second.states and len(counted) == 1


def test_a_folder_that_cannot_be_written_is_named(job, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match="file/store"):
        Store(tmp_path / "file" / "store")


def test_a_row_lies_beside_its_run_and_is_written_once(job, tmp_path):
    store = Store(tmp_path)
    trace = store.train(job)
    row = {"setting": "one", "seed": 3, "level": 2, "arm": "ticket", "draw": 0, "run": trace.run, "density": 0.5}
    for _ in range(2):
        store.keep_row(row)
        (path,) = (store.path(trace.run) / "rows").iterdir()
        assert path.name == "one-seed3-level02-ticket-0.json" and json.loads(path.read_text()) == row
        path.chmod(0o400)
        written = path.stat().st_mtime_ns
    store.keep_row(row)
    assert path.stat().st_mtime_ns == written
    path.write_bytes(b"\xff")
    store.keep_row(row)
    assert json.loads(path.read_text()) == row
    same(store.train(job), trace)  # not in the question: the run is found as before
