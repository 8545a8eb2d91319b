"""`lth store` lists what is kept, finds what has changed, and removes what nothing refers to, and nothing else."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lth.cli import main
from lth.core.files import write_csv
from lth.core.sealed_json import read_sealed_json, write_sealed_json
from lth.store.layout import lock_file, row_files, rows_folder
from lth.store.locks import locked
from lth.store.runs import Store
from tests.kills import ended, forked


@pytest.fixture
def lth_store(in_process):
    """What `lth store` prints in the folder of a test, and its exit status or error."""
    return in_process("store", columns=80)


@pytest.fixture
def kept(make_job, tmp_path):
    """(store, runs): three small runs; the first has rows of two settings, the second of one, the third none."""
    store = Store(tmp_path / "outputs" / "store")
    spec = make_job(iterations=2, evaluate_every=2)
    runs = [store.train(replace(spec, seeds=replace(spec.seeds, order=order))).run for order in range(3)]
    for run, setting in ((0, "one"), (0, "two"), (1, "two")):
        about = {"experiment": "imp", "setting": setting, "data": "mnist1d", "model": "mlp", "seed": 0, "level": run}
        store.keep_row(about | {"arm": "ticket", "draw": 0, "run": runs[run]})
    return store, runs


def there(store):
    return {path.parent.name for path in store.folder.glob("??/*/run.json")}


def test_the_number_and_size_of_runs_come_first_then_a_table_that_fits(kept, lth_store):
    shown, code = lth_store()
    lines = shown.splitlines()
    assert code is None and re.fullmatch(r"outputs/store: 3 runs, \d+\.\d kB\.", lines[0])
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    assert [line[:5] for line in words if line[:1] == ["imp"]] == [
        ["imp", "one", "mnist1d", "mlp", "1"],
        ["imp", "two", "mnist1d", "mlp", "2"],
    ]
    assert any(line[:3] == ["no", "rows", "1"] for line in words)
    assert "Unused, named by no table of a job and no kept row: 1 run" in " ".join(shown.split())
    assert lth_store("outputs") == lth_store("outputs/store")


def test_names_of_other_people_change_nothing_of_the_terminal(kept, lth_store):
    store, runs = kept
    store.keep_row({"setting": "\x1b[31m" + "x" * 90, "seed": 0, "level": 9, "arm": "a", "draw": 0, "run": runs[2]})
    shown, _ = lth_store()
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) <= 80


def test_a_whole_store_is_said_to_be(kept, lth_store):
    shown, code = lth_store("--check")
    assert code is None and shown.startswith("outputs/store: all is whole; 3 runs, ") and "3 rows" in shown


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["run.json", "weights-*", "row", "probe", "checkpoint", "fingerprint"])
def test_what_has_changed_is_named_and_removed_on_demand(kept, lth_store, file):
    store, runs = kept
    folder = store.path(runs[0])
    store.probed(runs[0], "key", lambda: 1)
    if file == "row":
        path = next(iter(sorted(rows_folder(store.folder, runs[0]).iterdir())))
    elif file == "probe":
        (path,) = (folder / "probes").iterdir()
    elif file == "checkpoint":
        path = folder / "checkpoint-x.safetensors"
        path.write_bytes(b"x" * 100)
    elif file == "fingerprint":
        path = folder / "run.json"
        body = read_sealed_json(path)
        write_sealed_json(path, body | {"question": body["question"] | {"loop": 99}})
    else:
        (path,) = folder.glob(file)
    if file != "fingerprint":
        flip(path)
    shown, code = lth_store("--check")
    named = folder / "run.json" if file == "weights-*" else path
    assert code == 1 and "1 file is damaged" in shown and f"damaged: {os.path.relpath(named)}: " in shown
    shown, code = lth_store("--remove", "damaged", "--yes")
    assert code is None and "free now" in shown and lth_store("--check")[1] is None
    assert there(store) == ({*runs} - ({runs[0]} if file in ("run.json", "weights-*", "fingerprint") else set()))


def test_what_killed_processes_left_is_named_and_removed(kept, lth_store):
    store, runs = kept
    folder = store.path(runs[0])
    left = [folder / name for name in (".run.json.abcd1234.part", "weights-0f.safetensors", "weights.safetensors")]
    for path in left:
        path.touch()
    (folder.with_name(f"{folder.name}.damaged-1")).mkdir()
    shown, code = lth_store("--check")
    assert code is None and shown.count("left by a killed process: ") == 3 and "set aside: " in shown
    lth_store("--remove", "damaged", "--yes")
    assert not any(path.exists() for path in left) and not list(store.folder.glob("??/*damaged*"))
    assert there(store) == {*runs} and len(row_files(store.folder)) == 3
    shown, _ = lth_store("--remove", "damaged")
    assert shown == "Nothing to remove in outputs/store.\n"


def test_what_nothing_refers_to_is_removed_and_its_bytes_are_said(kept, lth_store):
    store, runs = kept
    size = sum(path.stat().st_size for path in store.path(runs[2]).rglob("*"))
    shown, _ = lth_store("--remove", "unused", "--yes")
    assert shown.startswith(f"{size / 1e3:.1f} kB are free now.") and there(store) == {*runs[:2]}
    assert not lock_file(store.folder, runs[2]).exists() and len(row_files(store.folder)) == 3


@pytest.mark.parametrize(
    ("words", "named", "stay", "rows"),
    [
        (["setting=two"], [], {0, 2}, 1),  # of the first the row alone: the other setting has it too
        (["setting=one"], [], {0, 1, 2}, 2),
        (["setting=none"], [], {0, 1, 2}, 3),
        (["setting=two"], [1], {0, 1, 2}, 2),  # a job's table names the second
        (["older=1d"], [], {1, 2}, 1),
        (["older=1d"], [0], {0, 1, 2}, 3),
        (["older=30d"], [], {0, 1, 2}, 3),
        (["unused", "older=1d"], [], {0, 1, 2}, 3),
        (["unused"], [2], {0, 1, 2}, 3),
    ],
)
def test_words_narrow_each_other_and_what_jobs_name_stays(kept, lth_store, tmp_path, words, named, stay, rows):
    store, runs = kept
    old = time.time() - 10 * 86_400
    os.utime(store.path(runs[0]) / "run.json", (old, old))
    write_csv(tmp_path / "outputs" / "imp" / "now" / "curves.csv", ["run"], [{"run": runs[at]} for at in named])
    shown, code = lth_store("--remove", *words, "--yes")
    assert code is None and there(store) == {runs[at] for at in stay} and len(row_files(store.folder)) == rows
    assert ("1 run stays: tables of jobs name it" in " ".join(shown.split())) == bool(named and "unused" not in words)


@pytest.mark.parametrize(("words", "stays"), [(["unused"], True), (["older=1d"], False), (["older=30d"], True)])
def test_a_training_that_was_killed_waits_to_go_on_until_it_is_old(kept, lth_store, words, stays):
    store, runs = kept
    folder, old = store.path(runs[2]), time.time() - 10 * 86_400
    (folder / "run.json").rename(folder / "checkpoint-x.safetensors")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    lth_store("--remove", *words, "--yes")
    assert folder.exists() == stays and there(store) == {*runs[:2]}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--remove", "everything"], "--remove=everything: must be some of unused, damaged"),
        (["--remove", "older=soon"], "--remove=older=soon: must be a time such as 12h"),
        (["--remove", "older"], "--remove=older: must be some of"),
        (["--remove", "damaged", "unused"], "--remove=damaged unused: what is damaged is removed by itself"),
        (["--remove", "unused", "--check"], "--check and --remove are two commands"),
        (["nowhere"], "nowhere: there is no such folder"),
        (["--remove", "unused"], "would remove 1 run, .*: confirm with --yes"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_goes(kept, lth_store, words, problem, monkeypatch):
    store, runs = kept
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    shown, error = lth_store(*words)
    assert not shown and re.match(problem, error) and "\n" not in error and there(store) == {*runs}


@pytest.mark.parametrize("kind", ["pipe", "unreadable"])
def test_a_table_that_cannot_be_read_may_name_any_run(kept, lth_store, tmp_path, kind):
    store, runs = kept
    path = tmp_path / "outputs" / "x.csv"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("nowhere")
    shown, error = lth_store("--remove", "unused", "--yes")
    assert not shown and error.startswith(f"cannot read {path}, which may name any run: ") and there(store) == {*runs}


def test_a_run_that_is_being_trained_stays(kept, lth_store):
    store, runs = kept
    with locked(lock_file(store.folder, runs[2]), "it", store.folder):
        shown, _ = lth_store("--remove", "unused", "--yes")
    assert " ".join(shown.split()) == "0 B are free now. 1 run stays: it is being trained." and there(store) == {*runs}


@pytest.mark.parametrize("words", [["--check"], ["--remove", "damaged", "--yes"]])
def test_what_may_not_be_read_is_not_called_damaged(kept, lth_store, monkeypatch, words):
    store, runs = kept

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "run.json")

    monkeypatch.setattr("lth.store.files.read_sealed_json", refuse)
    shown, error = lth_store(*words)
    assert not shown and re.fullmatch("cannot read .*run.json: Permission denied", error) and there(store) == {*runs}


def test_who_is_asked_may_refuse(kept, tmp_path):
    store, _ = kept
    for answer, left in ((b"n\n", 3), (b"y\n", 2)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)

        def ask(theirs=theirs):
            os.dup2(theirs, 0)
            sys.stdin = open(0)  # noqa: SIM115
            sys.argv = ["lth", "store", str(store.folder), "--remove", "unused"]
            main()

        assert ended(forked(ask)) == 0 and len(there(store)) == left


def test_help_needs_no_torch(tmp_path):
    code = "import sys\nsys.argv = ['lth', 'store', '--help']\nfrom lth.cli import main\ntry: main()\n"
    code += "except SystemExit: pass\nassert 'torch' not in sys.modules and 'rich' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--remove" in done.stdout
