"""The files of a run come back as they were written, or are named."""

import pytest

from lth.core.errors import LotteryError
from lth.core.sealed import DamagedFileError
from lth.core.weights import digest, on_cpu
from lth.store.files import read_matching, read_result, read_run, write_run
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


@pytest.mark.parametrize("file", ["run.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_damage_is_an_error_that_names_the_run(run, file, damage):
    folder, _ = run
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content) if damage == "flipped" else (folder / file).unlink()
    with pytest.raises(LotteryError, match=f"cannot read the run {folder}"):
        read_run(folder)
    with pytest.raises(DamagedFileError):
        read_matching(folder, {"lr": 0.1})
    if file == "run.json":
        with pytest.raises(LotteryError, match=r"cannot read .*run\.json"):
            read_result(folder)
