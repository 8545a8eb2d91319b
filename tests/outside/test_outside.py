"""An experiment in a package of its own does all that ours do: one folder, installed or named on the command line."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.files import read_csv

PACKAGE = Path(__file__).parent / "weight_noise"
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "weight-noise"
version = "0.1"

[project.entry-points."lth.experiments"]
weight_noise = "weight_noise"

[project.entry-points."lth.arms"]
sign_flip = "weight_noise:sign_flip"
"""
QUICK = ("levels=1", "recipe.iterations=60", "recipe.evaluate_every=20")


@pytest.fixture
def environment(prepared_mnist1d: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    quiet = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "LTH_DATA": str(prepared_mnist1d)}
    return {**os.environ, **quiet, "PYTHONPATH": root}


def lth(folder: Path, environment: dict[str, str], *words: str) -> str:
    """What `lth words` prints, run in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "lth", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_package_is_one_small_folder() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    assert sum(len(path.read_text().splitlines()) for path in files) <= 150


@pytest.mark.slow
def test_an_installed_package_does_all_that_ours_do(
    tmp_path: Path, environment: dict[str, str], command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(PACKAGE, source / "weight_noise", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "pyproject.toml").write_text(PYPROJECT)
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", *install, str(source)], check=True)
    environment = environment | {"PYTHONPATH": f"{site}:{environment['PYTHONPATH']}", "WANDB_MODE": "offline"}

    assert re.search("weight_noise +How robust tickets are", lth(tmp_path, environment, "list"))
    shown = lth(tmp_path, environment, "weight_noise", "--help")
    assert "share of that of each layer's weights" in " ".join(shown.split())

    def run(*words: str) -> str:  # in a process that has torch already
        code = f"import sys; sys.path.insert(0, {str(site)!r}); from lth.cli import main; main()"
        done = command(*words, cwd=tmp_path, code=code, **environment)
        return done.stdout + done.stderr

    swept = (*QUICK, "hydra.sweep.dir=sweep", "hydra/launcher=basic")
    run("weight_noise", "-m", "seed=0,1", "arms=[ticket,sign_flip]", *swept)

    for seed in (0, 1):
        job = tmp_path / "sweep" / str(seed)
        results = read_csv(job / "results.csv")
        assert [(row["experiment"], row["seed"]) for row in results] == [("weight_noise", str(seed))] * 3
        assert [row["arm"] for row in results] == ["ticket", "ticket", "sign_flip"]
        noisy, probes = read_csv(job / "noisy.csv"), read_csv(job / "probes.csv")
        assert {row["verdict"] for row in noisy} <= {"fragile", "robust"} and len(noisy) == 3
        assert all(0 < float(row["sparsest_layer"]) <= 1 for row in probes)
        assert (job / "figures" / "noise.png").exists() and "Noise costs" in (job / "report.html").read_text()
        assert (job / "ticket.safetensors").exists()
    assert len(list((tmp_path / "outputs" / "wandb").glob("offline-run-*"))) == 2
    run("report", "sweep", "--to", "report")
    assert (tmp_path / "report" / "figures" / "noise.png").exists()
    assert "weight_noise" in (tmp_path / "report" / "summary.csv").read_text()
    judged = run("claims", "weight_noise", "sweep")
    assert "N1" in judged and "undecided" in judged  # two seeds decide nothing
    assert "0 trained" in run("weight_noise", "seed=1", "arms=[ticket,sign_flip]", *QUICK)


@pytest.mark.slow
def test_a_folder_named_on_the_command_line_runs_without_an_install(
    tmp_path: Path, environment: dict[str, str], command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "weight_noise", ignore=shutil.ignore_patterns("__pycache__"))
    words = ("./weight_noise", "-m", "seed=0,1", *QUICK, "hydra.sweep.dir=sweep")  # two processes
    command(*words, cwd=tmp_path, **environment)
    assert {row["arm"] for row in read_csv(tmp_path / "sweep" / "1" / "noisy.csv")} == {"ticket", "sign_flip"}
