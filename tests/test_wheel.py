"""A wheel holds configs and experiments, and runs from another folder without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_runs_from_another_folder(tmp_path, prepared_mnist1d):
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    wheel = tmp_path / run("-c", build, cwd=CHECKOUT).split()[-1]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert {name.split("/")[0] for name in names} == {"lth", f"lth-{wheel.name.split('-')[1]}.dist-info"}
    assert {
        "lth/conf/imp.yaml",
        "lth/experiments/imp/__init__.py",
        "lth/experiments/__init__.py",
        "lth/py.typed",
    } <= set(names)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = "import lth, lth.cli; print(lth.__file__); lth.cli.main()"
    environment = {"PYTHONPATH": str(tmp_path / "installed"), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    shown = run("-c", code, "imp", "scale=smoke", cwd=elsewhere, LTH_DATA=str(prepared_mnist1d), **environment)
    assert shown.startswith(str(tmp_path / "installed")) and "One seed gives no verdict" in shown
    assert list(elsewhere.glob("outputs/imp/*/results.csv"))
    shown = run("-c", code, "imp", "--help", cwd=elsewhere, **environment)
    assert "frankle2019/lenet" in shown and "levels=13" in shown
    assert "gradient_flow" in run("-c", code, "list", cwd=elsewhere, **environment)
