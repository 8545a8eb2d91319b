"""A sweep gives the same results whatever launches its jobs, and all of them share one store."""

import csv
import os
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hydra_plugins.hydra_joblib_launcher as joblib_plugin
import pytest

from tests.counting import write_experiment

MAIN = "from lth.cli import main; main()"
NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.last(self.first(x.flatten(1)).relu())
"""
SWEEP = ["imp", "-m", "scale=smoke", "data=digits", "model=custom", "model._target_=mine.Net", "arms=[ticket]"]
SWEEP += ["pruning.schedule=iterative,one_shot"]
LAUNCHERS = {
    "joblib": ["hydra.launcher.n_jobs=2"],
    "slurm": [],
    "slurm_local": [],
    "ray": ["+hydra.launcher.ray.init={num_cpus: 2, include_dashboard: false}"],
}

SBATCH = """#!/bin/bash
# Starts every job of the array at once, on the script as it is now: submitit moves the file away.
script=$(cat "$1")
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for number in $(seq 0 "$last"); do
    SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$number bash -c "$script" < /dev/null > /dev/null 2>&1 &
done
echo "Submitted batch job 7"
"""
SRUN = """#!/bin/bash
# Runs the command behind srun's own options.
while [[ $1 == --* ]]; do if [[ $1 == --unbuffered ]]; then shift; else shift 2; fi; done
exec "$@"
"""


@pytest.fixture
def lth(command):
    """Runs `lth` with words and what each launcher needs: stand-ins for Slurm's commands, a folder for Ray."""
    with tempfile.TemporaryDirectory(prefix="lth", dir="/tmp") as short:  # Ray's sockets want a short path
        environment = {
            "RAY_TMPDIR": short,
            "RAY_AUTH_TOKEN": "0" * 64,  # else Ray writes one to the home folder
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        yield lambda *words, cwd, **how: command(
            *words, cwd=cwd, PATH=f"{cwd / 'bin'}:{os.environ['PATH']}", **environment, **how
        )


def write_slurm(folder: Path) -> None:
    """Writes the stand-ins for Slurm's commands."""
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def sweep(lth: Callable[..., object], folder: Path, launcher: str, *words: str) -> list[list[dict[str, str]]]:
    """Two jobs that have the dense training and the first ticket in common; their tables without the seconds."""
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(NETWORK)
    write_slurm(folder / "bin")
    lth(*SWEEP, "hydra.sweep.dir=sweep", f"hydra/launcher={launcher}", *words, cwd=folder)
    tables = []
    for job in ("0", "1"):
        with (folder / "sweep" / job / "results.csv").open() as file:
            tables.append([{**row, "seconds": ""} for row in csv.DictReader(file)])
    return tables


@pytest.mark.slow  # Ray, and stand-ins for Slurm
def test_every_launcher_gives_the_same_results_and_shares_one_store(lth, tmp_path):
    def swept(name: str) -> list[list[dict[str, str]]]:
        return sweep(lth, tmp_path / name, name, *LAUNCHERS[name])

    light = [name for name in LAUNCHERS if name != "ray"]  # those wait for the most part
    with ThreadPoolExecutor() as pool:
        by_launcher = dict(zip(light, pool.map(swept, light), strict=True))
    by_launcher["ray"] = swept("ray")  # alone: it starts seven processes of its own
    for launcher, tables in by_launcher.items():
        assert tables == by_launcher["joblib"], launcher
        runs = {row["run"] for table in tables for row in table}
        assert len(runs) == 4 and sum(map(len, tables)) == 6
        folder = tmp_path / launcher
        assert {path.parent.name for path in folder.glob("outputs/store/*/*/run.json")} == runs, launcher
        logs = "".join(path.read_text() for path in folder.glob("sweep/*/imp.log"))
        assert sum(map(int, re.findall(r"(\d+) trained", logs))) == 4, launcher  # each by one of the two jobs

    shown = lth("report", "joblib/sweep/0", "slurm_local/sweep/1", "ray/sweep", "--to", "both", cwd=tmp_path).stdout
    with (tmp_path / "both" / "results.csv").open() as file:
        rows = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    assert rows == [row for table in by_launcher["joblib"] for row in table]  # one table, whatever launched the jobs
    assert "6 rows" in shown and "Gathered from 4 folders" in shown


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["slurm", "slurm_local", "ray"])
def test_an_experiment_in_a_folder_runs_with_every_launcher(lth, tmp_path, launcher):
    write_experiment(tmp_path / "counting")
    write_slurm(tmp_path / "bin")
    words = ["-m", f"hydra/launcher={launcher}", "hydra.sweep.dir=sweep", "times=3,4", *LAUNCHERS[launcher]]
    lth("./counting", *words, cwd=tmp_path)
    assert [(tmp_path / "sweep" / job / "counted.txt").read_text() for job in "01"] == ["3 mnist1d", "4 mnist1d"]


@pytest.mark.parametrize("launcher", ["basic", "joblib", "slurm", "slurm_local", "ray", "ray_cluster"])
def test_every_launcher_composes_with_a_papers_preset(lth, tmp_path, launcher):
    shown = lth("imp", "paper=frankle2019/lenet", f"hydra/launcher={launcher}", "--cfg", "hydra", cwd=tmp_path).stdout
    assert f"hydra/launcher: {launcher}" in shown and "seed: 0,1,2" in shown


@pytest.mark.parametrize(("launcher", "extra"), [("slurm", "slurm"), ("ray", "ray"), ("ray_cluster", "ray")])
def test_a_launcher_that_is_not_installed_is_one_line_and_writes_nothing(lth, tmp_path, launcher, extra):
    alone = tmp_path / "plugins"  # as if joblib's were the only one
    alone.mkdir()
    (alone / "hydra_joblib_launcher").symlink_to(Path(joblib_plugin.__file__).parent)
    code = f"import hydra_plugins; hydra_plugins.__path__ = [{str(alone)!r}]; {MAIN}"
    done = lth("imp", "-m", f"hydra/launcher={launcher}", cwd=tmp_path, code=code, check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.strip().endswith(f"is not installed: pip install 'lth[{extra}]'")
    assert list(tmp_path.iterdir()) == [alone]
