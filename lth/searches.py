"""What a search from Python gives: of each seed its levels, tickets and rows, and over seeds a report."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.files import make_folder, writing
from lth.core.setting import setting
from lth.lottery.levels import Level
from lth.lottery.ticket import Ticket
from lth.pruning.schedule import Pruning
from lth.report.recorder import Recorder
from lth.report.tables import RESULTS, with_metrics
from lth.reporting import report
from lth.settings import hash_of
from lth.training.recipe import Duration, Recipe


@dataclass
class SearchSettings:
    """What a search from Python was asked for: what the page shows, and the setting of its rows is the hash of.

    loop: the name of the user's own loop; recipe: that of lth's loop, where there is none.
    """

    experiment: str = setting("imp", "the tables, figures and sentences that its report has")
    data: str = setting("custom", "the data set", unhashed=True)
    model: str = setting("", "the network", unhashed=True)
    loop: str | None = setting(None, "your own training loop", unhashed=True)
    decide: str | None = setting(None, "the logged value that decides the early stop", unhashed_at_default=True)
    better: dict[str, str] = setting({}, "the direction of metrics", unhashed_at_default=True)
    recipe: Recipe | None = setting(None, "how networks are trained by lth's own loop")
    pruning: Pruning = setting(Pruning, "how weights are pruned")
    rewind: Duration = setting(0, "time to rewind to; 0: initialisation")
    iterate: str = setting("weights", "what levels rewind: weights, lr, finetune", unhashed_at_default=True)
    finetune_lr: float | None = setting(
        None, "rate that finetune holds, the arm and the way; null: the last", unhashed_at_default=True
    )
    finetune_length: Duration | None = setting(
        None,
        "iterate=finetune: length of each level; null: from the rewind point to the end",
        unhashed_without="iterate",
        unhashed_at_default=True,
    )
    levels: int = setting(0, "number of prunings", unhashed="setting")
    arms: list[str] = setting(["ticket"], "what is trained at each level", unhashed="setting")
    arm_levels: list[int] | None = setting(None, "levels of controls", unhashed="setting")
    draws: int = setting(1, "repeats of the arms that are random", unhashed="setting")
    seed: int = setting(0, "seed of the replicate", unhashed="setting")
    device: str = setting("cpu", "what trains", unhashed=True)

    def hashed_with(self, data: str, code: Sequence[str]) -> str:
        """The setting: a hash of what gives a result its meaning; data, code: hashes of the data and of all code."""
        return hashlib.sha256(" ".join([hash_of(self, "setting", 20), data, *code]).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Search:
    """The search of one seed.

    levels: the training of the ticket at each level, as `levels[n].result`; tickets: the ticket of each level; best:
    the sparsest one that at its early stop is no worse on the validation split than the dense network (without such a
    split: the last one); rows: a row of results for each level, arm and draw, as in `results.csv`.
    """

    levels: list[Level]
    tickets: list[Ticket]
    best: Ticket
    rows: list[dict[str, Any]]
    recorder: Recorder = field(repr=False, compare=False)
    examples: Mapping[str, int] = field(default_factory=dict, repr=False)

    def report(self, folder: str | Path, printed: bool = True) -> Path:
        """Writes tables, figures, the page and the best ticket into `folder`, as a job of `lth imp` does.

        printed: whether the summary is printed, too.
        """
        self.recorder.folder = Path(folder)
        with writing(self.recorder.folder):
            make_folder(self.recorder.folder)
        self.recorder.finish({"ticket": self.best}, self.examples, printed)
        return self.recorder.folder


class Searches(Mapping[int, Search]):
    """The searches of several seeds, by seed.

    >>> Searches({}).rows
    []
    """

    def __init__(self, by_seed: Mapping[int, Search]) -> None:
        self._by_seed = dict(by_seed)

    def __getitem__(self, seed: int) -> Search:
        return self._by_seed[seed]

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_seed)

    def __len__(self) -> int:
        return len(self._by_seed)

    @property
    def levels(self) -> dict[int, list[Level]]:
        """Seed -> the levels of its search."""
        return {seed: search.levels for seed, search in self.items()}

    @property
    def tickets(self) -> dict[int, list[Ticket]]:
        """Seed -> the tickets of its search."""
        return {seed: search.tickets for seed, search in self.items()}

    @property
    def best(self) -> dict[int, Ticket]:
        """Seed -> the best ticket of its search."""
        return {seed: search.best for seed, search in self.items()}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of results of every seed."""
        return [row for search in self.values() for row in search.rows]

    def report(self, folder: str | Path) -> Path:
        """Writes into `folder` what `lth imp` and `lth report` write: a folder for each seed, and what all seeds show.

        That is results.csv, summary.csv with verdicts, differences.csv, figures and report.html; the summary is also
        printed. Raises LotteryError where there is nothing to report, or the folder holds something else.
        """
        if not self:
            raise LotteryError("no seed was searched: there is nothing to report")
        folder = Path(folder)
        for seed, search in self.items():
            search.report(folder / f"seed={seed}", printed=False)
        return report([folder], to=folder)


def rows_of(recorder: Recorder) -> list[dict[str, Any]]:
    """The rows of results, with the columns that `results.csv` has."""
    rows = recorder.rows("results")
    table = with_metrics(RESULTS, (name for row in rows for name in row))
    return [table.columns_of(row) for row in rows]


def best_of(levels: Sequence[Level]) -> int:
    """The last finished level that on the validation split is no worse than level 0, each at its early stop.

    Compared is the metric that tickets and controls are compared by; where that is not measured there, what decides.
    """
    done = [n for n, level in enumerate(levels) if level.result.status == "done"]
    stops = {n: stop for n in done if (stop := levels[n].result.early_stop)}
    if 0 not in stops:
        return max(done, default=0)
    measures = levels[0].result.measures
    primary = measures.primary
    name, sign = primary.on("val"), primary.sign
    if getattr(stops[0], name) is None:
        name, sign = measures.decide, measures.decider.sign
    values = {n: sign * value for n, stop in stops.items() if (value := getattr(stop, name)) is not None}
    return max(n for n, value in values.items() if value >= values[0])
