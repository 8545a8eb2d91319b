"""The files of a run come back as they were written, or are named."""

import os
from dataclasses import replace

import pytest

from lth.core.errors import LotteryError
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import digest, on_cpu
from lth.store.files import read_correct_bits, read_matching, read_result, read_run, write_run
from lth.training.loop import train


@pytest.fixture
def run(spec, tmp_path):
    result = train(spec)
    result.states = {kind: on_cpu(state) for kind, state in result.states.items()}
    write_run(tmp_path, {"lr": 0.1}, result, {"torch": "1"})
    return tmp_path, result


def test_a_run_comes_back_with_and_without_its_weights(run):
    folder, result = run
    for back in (read_run(folder), read_matching(folder, {"lr": 0.1})):
        assert back.records() == result.records()
        assert {kind: digest(x) for kind, x in back.states.items()} == {k: digest(x) for k, x in result.states.items()}
    assert read_result(folder).records() == result.records() and read_result(folder).states == {}


def test_another_fingerprint_does_not_match(run):
    with pytest.raises(DamagedFileError, match="another fingerprint"):
        read_matching(run[0], {"lr": 0.2})


def test_a_run_of_an_older_store_comes_back(run):
    folder, result = run
    (weights,) = folder.glob("weights-*")
    weights.rename(folder / "weights.safetensors")
    assert read_run(folder).records() == read_matching(folder, {"lr": 0.1}).records() == result.records()
    assert read_correct_bits(folder).keys() == result.states["correct"].keys()
    again = replace(result, states={kind: x for kind, x in result.states.items() if kind == "final"})
    write_run(folder, {"lr": 0.1}, again, {})
    (weights,) = folder.glob("weights*")  # those of before are gone
    assert weights.name != "weights.safetensors" and read_run(folder).states.keys() == {"final"}


def test_a_reader_gets_one_result_or_the_other_while_a_run_is_replaced(run, monkeypatch):
    """The weights that `run.json` named go after it was read, as when another process trains the run again."""
    folder, result = run
    again = replace(result, seconds=9e9, states={"final": result.states["final"]})

    def replaced(path):
        monkeypatch.undo()
        write_run(folder, {"lr": 0.1}, again, {})
        return path

    monkeypatch.setattr("lth.store.files.regular", replaced)
    back = read_run(folder)
    assert back.seconds == 9e9 and back.states.keys() == {"final"}


def broken(path, damage):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "flipped":
        path.write_bytes(content)
        return
    path.unlink()
    makes = {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "dangling": lambda: path.symlink_to("nowhere")}
    makes |= {"loop": lambda: path.symlink_to(path.name), "missing": lambda: None}
    makes["deep"] = lambda: path.write_text("[" * 100_000)
    makes["number"] = lambda: path.write_text("9" * 10_000)
    makes[damage]()


@pytest.mark.parametrize("file", ["run.json", "weights-*.safetensors"])
@pytest.mark.parametrize("damage", ["flipped", "missing", "folder", "pipe", "dangling", "loop", "deep", "number"])
def test_damage_is_an_error_that_names_the_run(run, file, damage):
    folder, _ = run
    broken(next(folder.glob(file)), damage)
    with pytest.raises(LotteryError, match=f"cannot read the run {folder}"):
        read_run(folder)
    with pytest.raises(DamagedFileError):
        read_matching(folder, {"lr": 0.1})
    if file == "run.json":
        with pytest.raises(LotteryError, match=r"cannot read .*run\.json"):
            read_result(folder)
