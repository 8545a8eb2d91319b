"""What a run was made on, and which device is used."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lth.core.errors import SettingError
from lth.core.machine import describe, has_compiler, pick, prepare


@pytest.fixture
def settings_kept() -> Iterator[None]:
    """Torch's settings of this process as they were, afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    benchmark, cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    workspace, fills = os.environ.get("CUBLAS_WORKSPACE_CONFIG"), torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.utils.deterministic.fill_uninitialized_memory = fills
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, cudnn
    if workspace is None:
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def test_describe_names_what_the_bits_depend_on(settings_kept: None) -> None:
    torch.set_num_threads(1)
    one = describe(torch.device("cpu"))
    torch.set_num_threads(2)
    two = describe(torch.device("cpu"))
    assert one | {"threads": 2} == two and one["device"] == "cpu" and one["torch"] == torch.__version__


def test_the_compiler_is_the_one_that_cxx_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    for command, expected in ((f"{compiler} -O2", False), (f"{compiler} -O2", True)):
        monkeypatch.setenv("CXX", command)
        assert has_compiler() is expected
        compiler.touch(mode=0o755)
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_compiler()
    (tmp_path / ("clang++" if sys.platform == "darwin" else "g++")).touch(mode=0o755)
    assert has_compiler()


def test_auto_picks_a_gpu_where_there_is_one() -> None:
    assert pick("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_an_error_that_names_it(settings_kept: None, device: str) -> None:
    with pytest.raises(SettingError, match=f"device={device}"):
        prepare(device, 1)


def test_prepare_sets_the_threads(settings_kept: None) -> None:
    assert prepare("cpu", 1) == torch.device("cpu") and torch.get_num_threads() == 1


def test_what_describes_a_machine_is_plain_text_and_numbers() -> None:
    assert {type(value) for value in describe(torch.device("cpu")).values()} == {str, int}


def test_deterministic_kernels_come_without_the_filling_of_new_memory(settings_kept: None) -> None:
    torch.utils.deterministic.fill_uninitialized_memory = True
    prepare("cpu", threads=2)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory
