"""Every key of every experiment with values of every kind: each is refused in one line, or makes sense."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth.cli.config import in_one_line, read
from lth.cli.defaults import options_of, starting_values
from lth.cli.keys import Key, keys_of
from lth.cli.words import mistakes
from lth.core.checked import hints_of, type_word
from lth.core.errors import LotteryError
from lth.core.setting import marks_of
from lth.discovery import Source, source_of, sources
from lth.training.recipe import plan

HUGE = ["2147483648000000000000", "1e300", "1e400", "-1e300", "9" * 400, "9" * 5000]
NUMBERS = ["-1", "-1e-9", "nan", "NaN", "inf", "-inf", ".inf", "true", "null", "abc", "'1,5'", "1.5.2", "0x10", *HUGE]
OTHERS = ["[1,[2]]", "[]", "{}", "{a: 1}", "[{}]", "[null]", "[true]", "[nan]", "[a,a]", "[-1]", "''", "' '"]
TEXTS = [
    "é",
    "🙂",
    "'é'",
    "\x1b[31m",
    "a\nb",
    "\udcff",
    "x" * 10_000,
    "../../x",
    "/dev/null",
    "/proc/self/mem",
    "a=b",
    "=",
]
GRAMMAR = ["${oc.env:NOPE}", "${nope}", "${.}", "${seed}", "'", '"', "[", "{", "(", "$", "${", "[" * 200, "glob(*)"]
VALUES = [*NUMBERS, *OTHERS, *TEXTS, *GRAMMAR, "", "0", "1.5", "1e2", "1_000", "no"]
ALL = [(name, key.name) for name in sources() for key in keys_of(source_of(name).settings, internal=True)]
EXPERIMENTS_WITH = Counter(key for _, key in ALL)
NEVER = ["nan", "-inf", "-1e300", "1e300", "true", "[]", "{}", "{a: 1}", "", "abc", "9" * 400, "[1,[2]]"]
"""What no number may be."""


@pytest.fixture(autouse=True)
def folders_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of groups are those of the folders of `conf`, which no test of this file changes."""
    monkeypatch.setattr("lth.cli.words.options_of", options)


@cache
def options(source: Source) -> dict[str, list[str]]:
    return options_of(source)


@cache
def started(experiment: str) -> tuple[dict[str, Any], DictConfig]:
    """The starting values, and the configuration that holds them."""
    values = starting_values(source_of(experiment))
    return values, OmegaConf.create(values)


def refused(experiment: str, key: str, value: str) -> str | None:
    """The line that refuses `key=value`; None where it is accepted."""
    source, word = source_of(experiment), f"{key}={value}"
    if (line := next(mistakes(source, [word]), None)) is not None:
        return line
    try:
        with overridden(experiment, key, word) as config:
            settings = read(config, source)
        sane(settings)
        if hasattr(settings, "recipe"):
            plan(settings.recipe, 1000, getattr(settings, "rewind", 0))
    except LotteryError as error:
        return str(error)
    return None


@contextmanager
def overridden(experiment: str, key: str, word: str) -> Iterator[DictConfig]:
    """The starting configuration with `key` as Hydra reads it in `word`, until the end of the block.

    LotteryError for what Hydra refuses, in the line that the runner says.
    """
    values, config = started(experiment)
    *path, last = key.split(".")
    before, holder = values, config
    for part in path:
        before, holder = before[part], holder[part]
    try:
        given = OverridesParser.create().parse_override(word).value()
        holder[last] = getattr(given, "text", given)
    except (HydraException, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise LotteryError(in_one_line(error)) from error
    try:
        yield config
    finally:
        holder[last] = before[last]


def sane(settings: Any) -> None:
    """What is accepted has numbers that are finite, and of the type that the field declares."""
    for entry in fields(settings):
        value, hint = getattr(settings, entry.name), hints_of(type(settings))[entry.name]
        if is_dataclass(value):
            sane(value)
            continue
        for item in value if isinstance(value, list) else [value]:
            assert not isinstance(item, float) or math.isfinite(item) or marks_of(entry).infinite, entry.name
            numeric = hint in (int, float) or int in get_args(hint)
            assert not (numeric and isinstance(item, bool)), entry.name


def cases(count: int) -> Iterator[tuple[str, str, str]]:
    choice = random.Random(12)
    for _ in range(count):
        yield *choice.choice(ALL), choice.choice(VALUES)


def check(triples: Iterator[tuple[str, str, str]]) -> None:
    for experiment, key, value in triples:
        line = refused(experiment, key, value)
        assert line is None or (line.isprintable() and 0 < len(line) < 1500), (experiment, key, value, line)


def test_values_of_every_kind_for_any_key_are_accepted_or_one_line():
    check(cases(400))


@pytest.mark.parametrize("experiment", list(sources()))
def test_no_number_takes_what_is_none(experiment):
    choice = random.Random(experiment)
    for key in numbers_of(experiment):
        shared = EXPERIMENTS_WITH[key.name] > 1  # it meets other values in other experiments
        for value in choice.sample(NEVER, 1 if shared else 3):
            assert refused(experiment, key.name, value) is not None, f"{key.name}={value}"


def numbers_of(experiment: str) -> list[Key]:
    keys = keys_of(source_of(experiment).settings, internal=True)
    return [key for key in keys if key.type in (type_word(int), type_word(float), "duration")]


FUZZED = [
    ["imp", "levels=${oc.env:NOPE}"],
    ["imp", "levels=9" + "9" * 5000],
    ["imp", "recipe.lr=" + "[" * 500],
    ["imp", "device=meta"],
    ["imp", "device=nonsense"],
    ["imp", "device=cuda:99"],
    ["imp", "outputs=/dev/null"],
    ["imp", "hydra.run.dir=/proc/x"],
    ["imp", "hydra.job_logging=5"],
    ["imp", "hydra.run.dir=${nope}"],
    ["imp", "hydra/launcher=nonsense"],
    ["imp", "hydra.mode=nonsense"],
    ["imp", "--config-dir", "nowhere"],
    ["imp", "--cfg", "job", "--resolve", "levels=${nope}"],
    ["imp", "recipe.optimizer=adam", "recipe.momentum=0.5"],
    ["imp", "rewind=1e9"],
    ["gradient_flow", "gradual.end=7"],
    ["at_init", "methods=[snip,snip]"],
    ["deploy", "bits=[true]"],
    ["speed", "device=meta"],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", FUZZED, ids=lambda words: " ".join(words)[:40])
def test_a_command_with_nonsense_ends_in_one_line(begin, tmp_path, words):
    smoke = [] if "--cfg" in words else ["scale=smoke"]
    data = ["data=digits"] if words[0] not in ("speed",) else []
    done = begin(*words, *smoke, *data, cwd=tmp_path).wait(120)
    lines = [
        line for line in done.stderr.splitlines() if line.strip() and not line.startswith(("output layer", "warning"))
    ]
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr and len(lines) == 1, done.stderr[-2000:]


STOPS = """
import math
from dataclasses import asdict
from lth.store.runs import Store
from lth.cli import main

def stop(self, spec, *arguments, **options):
    numbers = [x for x in asdict(spec.plan).values() if isinstance(x, (int, float))]
    sane = all(map(math.isfinite, numbers)) and 0 < spec.plan.batch_size <= len(spec.data.train)
    raise SystemExit(0 if sane and spec.plan.start < spec.plan.stop else 'trained all the same')

Store.train = stop
main()
"""
"""`lth`, but that it ends where the first training would begin."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_commands_with_values_of_every_kind_end_in_one_line_or_could_train(begin, tmp_path, prepared_mnist1d, seed):
    choice = random.Random(seed)
    pairs = [pair for pair in ALL if pair[0] != "speed"]  # it trains by itself
    values = [value for value in VALUES if "\udcff" not in value and len(value) < 20_000]
    for experiment, key in choice.choices(pairs, k=10):
        word, how = f"{key}={choice.choice(values)}", {"cwd": tmp_path, "code": STOPS}
        done = begin(experiment, "scale=smoke", word, LTH_DATA=str(prepared_mnist1d), **how).wait(60)
        assert "Traceback" not in done.stderr and done.returncode in (0, 1, 2), (experiment, word, done.stderr[-2000:])
        assert done.returncode == 0 or done.stderr.strip(), (experiment, word)
        assert "trained all the same" not in done.stderr, (experiment, word)
