"""The command line as its user meets it: in another process, offline, in an empty folder."""

import csv
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import lth as lth_package
from lth.cli.config import composed
from lth.cli.defaults import options_of, starting_values
from lth.cli.help import experiment_help
from lth.discovery import source_of, sources

MAIN = "from lth.cli import main; main()"


@pytest.fixture
def lth(command, tmp_path):
    """Runs `lth` with words; stdout and stderr apart."""
    return partial(command, cwd=tmp_path)


@pytest.mark.parametrize("words", [["imp", "--help"], ["list"], ["--help"], ["-h"], ["help"], ["--version"]])
def test_help_needs_neither_torch_nor_hydra(tmp_path, words):
    code = f"import sys\n{MAIN}\nassert not {{'torch', 'hydra'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=True)


def test_help_shows_docstring_groups_and_keys():
    shown = experiment_help(source_of("imp"))
    assert "Iterative magnitude pruning" in shown and "lth imp -m seed=0,1,2,3,4" in shown
    for line in ("recipe                    adam, adamw, sgd", "  .lr=0.0012              float learning rate"):
        assert line in shown.splitlines()


@pytest.mark.parametrize("name", sources())
def test_help_fits_80_columns(name):
    assert max(map(len, experiment_help(source_of(name)).splitlines())) <= 80


@pytest.mark.slow
def test_the_help_of_all_fits_80_columns(lth):
    shown = lth("--help").stdout.splitlines()
    assert max(map(len, shown)) <= 80 and any(line.startswith("imp ") for line in shown)


def test_help_shows_the_defaults_that_the_command_line_leaves(lth):
    shown = lth("imp", "paper=frankle2019/lenet", "recipe.lr=0.7", "--help").stdout
    assert "\nlevels=16" in shown and ".lr=0.7" in shown and "levels=13" not in shown


@pytest.mark.parametrize("name", sources())
def test_the_starting_values_of_help_are_those_that_hydra_composes(name):
    source, values = source_of(name), starting_values(source_of(name))
    values = OmegaConf.create(values)  # whose floats are read as Hydra reads them
    assert OmegaConf.to_container(values) == composed(source, [])


def test_the_groups_of_help_have_the_papers_of_the_experiment_alone():
    assert options_of(source_of("gradient_flow"))["paper"] == ["evci2022/lenet5"]
    assert "frankle2019/lenet" in options_of(source_of("imp"))["paper"]
    assert "pruning" not in options_of(source_of("gradient_flow"))


def test_the_module_is_the_command(lth):
    done = lth("--version", code="import runpy; runpy.run_module('lth', run_name='__main__')")
    assert done.stdout == f"lth {lth_package.__version__}\n"


def test_list_names_every_experiment_in_one_line_each(lth):
    shown = lth("list").stdout.splitlines()
    assert [line.split()[0] for line in shown] == list(sources()) and max(map(len, shown)) <= 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["impp"], "no experiment is called 'impp'; did you mean imp?"),
        (["clams"], "did you mean claims?"),
        (["./nowhere"], "an experiment is a folder with an __init__.py"),
        (["imp", "levle=3"], "levle=3: lth imp has no key levle; did you mean levels?"),
        (["imp", "recipe.itrations=3"], "did you mean recipe.iterations?"),
        (["imp", "data=minst"], "data=minst: is no option of data; did you mean mnist?"),
        (["imp", "-m", "data=mnist,kminst"], "data=kminst: is no option of data; did you mean kmnist?"),
        (["imp", "levels=abc"], "levels=abc: must be int (number of prunings"),
        (["imp", "paper=evci2022/lenet5"], "is a paper of lth gradient_flow, not of lth imp"),
    ],
)
def test_a_mistaken_word_is_one_line_with_the_nearest_that_there_is(lth, tmp_path, words, message):
    done = lth(*words, check=False)
    assert done.returncode == 1 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_cfg_job_prints_the_configuration(lth):
    assert "fraction: 0.2" in lth("imp", "--cfg", "job").stdout


@pytest.mark.parametrize("override", ["levle=3", "data=nowhere", "levels=abc", "seeds.foo=1", "recipe.lr=[1]"])
def test_what_hydra_refuses_writes_nothing(lth, tmp_path, override):
    done = lth("imp", override, check=False)
    assert done.returncode == 1 and override.split("=")[0].split(".")[-1] in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_a_bad_value_is_one_line_without_a_traceback(lth):
    done = lth("imp", "scale=smoke", "data=digits", "rewind=61", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "rewind=61: is past the end of a training of 60 iterations"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["model=custom", "model._target_=torch.nn.Linear", "model.args.width=3"],
            "model.args={'width': 3}: torch.nn.Linear",
        ),
        (["model=custom", "model._target_=torch.nn.ReLU"], "the model has no parameters: there is nothing to train"),
        (["data._target_=os.getcwd"], "data._target_=os.getcwd: is for data=custom, not digits"),
    ],
)
def test_a_mistake_in_ones_own_classes_is_one_line(lth, words, message):
    done = lth("imp", "scale=smoke", "data=digits", *words, check=False)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_named(lth, tmp_path):
    (tmp_path / "file").write_text("")
    done = lth("imp", "scale=smoke", f"outputs={tmp_path}/file/out", check=False)
    assert done.returncode == 1 and f"{tmp_path}/file/out" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_failed_jobs_do_not_stop_a_sweep_and_are_named_at_the_end(lth, tmp_path):
    words = ["imp", "-m", "scale=smoke", "data=digits", "recipe.lr=-1,0.001,-2", "hydra.sweep.dir=sweep"]
    words += ["hydra/launcher=basic"]  # it starts sooner
    done = lth(*words, check=False)
    assert done.returncode == 1 and "Error executing job" not in done.stderr
    assert done.stderr.splitlines()[-3:] == [
        "2 jobs failed. The same command runs them again; the others are in the store:",
        "  job 0 (scale=smoke data=digits recipe.lr=-1): recipe.lr=-1.0: must lie above 0 and at most 1000",
        "  job 2 (scale=smoke data=digits recipe.lr=-2): recipe.lr=-2.0: must lie above 0 and at most 1000",
    ]
    assert [path.parent.name for path in tmp_path.glob("sweep/*/results.csv")] == ["1"]
    again = lth(*(word.replace("-1,0.001,-2", "0.001,0.002,-2") for word in words), check=False)
    assert again.stderr.splitlines()[-2].startswith("1 job failed")  # what an earlier try left behind is gone
    assert len(list(tmp_path.glob("sweep/*/results.csv"))) == 2
    assert "0 trained, 7 found" in again.stderr


TROUBLE = """
import os, pathlib, signal
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer, self.width = nn.Linear(64, 10), width

    def forward(self, x):
        armed = pathlib.Path("armed")
        if self.training and self.width > 1 and len(x) > 8 and armed.exists():  # a batch, not a first try
            word = armed.read_text()
            armed.unlink()
            if word == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("of their own")
        return self.layer(x.flatten(1))
"""
TROUBLED = ["imp", "-m", "scale=smoke", "data=digits"]
TROUBLED += ["model=custom", "model._target_=mine.Net", "model.args.width=1,2"]


@pytest.mark.slow
def test_an_error_of_ones_own_code_is_one_line_or_a_traceback_and_stops_no_sweep(lth, tmp_path):
    (tmp_path / "mine.py").write_text(TROUBLE)
    (tmp_path / "armed").write_text("raise")
    done = lth(*TROUBLED, "arms=[ticket]", check=False, HYDRA_FULL_ERROR="1")
    assert done.returncode == 1 and "Traceback" in done.stderr
    line = "model.args.width=2 arms=[ticket]): the model, in iteration 0 of training, raised RuntimeError: of their own"
    assert done.stderr.splitlines()[-1].endswith(f"{line} (mine.py, line 17)")
    assert len(list(tmp_path.glob("outputs/imp/*/0/results.csv"))) == 1


@pytest.mark.slow
def test_a_killed_worker_is_one_line_and_loses_nothing(lth, tmp_path):
    (tmp_path / "mine.py").write_text(TROUBLE)
    (tmp_path / "armed").write_text("kill")
    killed = lth(*TROUBLED, "arms=[ticket]", check=False)
    assert killed.returncode == 1 and "Traceback" not in killed.stderr
    message = "a worker process was killed (out of memory?); the same command resumes from here"
    assert message in killed.stderr.splitlines()  # joblib's own remark on what it has to clean up may follow
    one_process = [*TROUBLED, "arms=[ticket]", "hydra/launcher=basic"]
    lth(*one_process, "hydra.sweep.dir=again")
    lth(*one_process, "hydra.sweep.dir=unbroken", "outputs=elsewhere")
    for job in "01":
        again, unbroken = (results(tmp_path / sweep / job) for sweep in ("again", "unbroken"))
        assert again == unbroken and len(again) == 3


def results(folder: Path) -> list[dict[str, str]]:
    """The rows of a job's results.csv without the seconds."""
    with (folder / "results.csv").open() as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_users_own_model_and_data_in_the_current_folder(lth, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, width):\n        super().__init__()\n"
        "        self.first, self.last = nn.Linear(6, width), nn.Linear(width, 2)\n"
        "    def forward(self, x):\n        return self.last(self.first(x).relu())\n"
        "def data(count):\n"
        "    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(0))\n"
        "    y = (x.sum(1) > 0).long()\n"
        "    return (x[20:], y[20:]), (x[:20], y[:20])\n"
    )
    words = ["model=custom", "model._target_=mine.Net", "model.args.width=16", "data=custom", "data._target_=mine.data"]
    words += ["data.args.count=200", "data.validation=30", "scale=smoke", "arms=[ticket,reinit]"]
    shown = lth("imp", *words)
    assert "first" in next(tmp_path.glob("outputs/imp/*/layers.csv")).read_text()
    assert "One seed gives no verdict" in shown.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [("lth ", "imp"), ("lth i", "imp"), ("lth imp da", "data="), ("lth imp data=mni", "data=mnist1d")],
)
def test_shell_completion(lth, line, expected):
    shown = lth("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert expected in shown.stdout.split()


def test_completion_installs(lth):
    assert "complete " in lth("-sc", "install=bash").stdout


def test_control_c_stops_within_seconds_and_says_so(begin, tmp_path, prepared_mnist1d):
    process = begin("imp", "recipe.iterations=100000", cwd=tmp_path, LTH_DATA=str(prepared_mnist1d))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("outputs/store/*/*.lock")):  # the first training has begun
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    began = time.monotonic()
    done = process.wait(20)
    assert time.monotonic() - began < 10
    assert done.returncode == 1 and "the same command resumes from here" in done.stderr
    assert "Traceback" not in done.stderr


def test_claims_without_results_say_so_in_one_line(lth):
    done = lth("claims", "frankle2019", ".", check=False)
    assert done.returncode == 1 and done.stderr.strip() == "no results in ."
