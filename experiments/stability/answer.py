"""What `lth stability` shows, in words and as a table: from where on each network is stable, and whether it matches."""

from collections.abc import Iterable, Mapping, Sequence

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.conditions import SEEDS
from lth.report.criteria import Criteria
from lth.report.failures import failures, in_no_mean
from lth.report.intervals import Interval, t_interval
from lth.report.results import Results
from lth.report.sheet import DASH, MINUS, Sheet
from lth.report.statistics import percent
from lth.report.verdict import verdicts

from .networks import INSTABILITY, ByRewind, Network, judged, networks_of, settled

HEADS = {
    "network": "",
    "k": "the rewind point in iterations",
    "of training": "",
    "accuracy": "of the children on the test split at the end of training, in percent",
    "instability": "the highest test error on the line between two children less the mean of its ends, in points",
    "on train": "the same of the training split",
    "BN kept": "of the test split with BatchNorm's statistics interpolated instead of recalculated",
    "disagree": "percent of the test set that two children classify differently",
    "distance": "between two children, of what they have moved",
    "is": "stable or not, matching or not, where three seeds decide it",
}
"""The columns of the table for people -> what they hold, where the name does not say it."""
NARROW = tuple(head for head in HEADS if head not in ("on train", "BN kept", "distance"))


def answer(results: Results) -> list[str]:
    """From which rewind point on each network of one seed is stable, and the command for a verdict."""
    settings = results.settings
    below = settings.stable_below
    sentences = paragraphs(networks_of(results["stability"], results["results"]), below)
    return [*sentences, f"One seed gives no verdict. For five seeds run: {results.command}"]


def paragraphs(networks: Sequence[Network], below: float) -> list[str]:
    """From which rewind point on each network is stable, a sentence each; and which trainings failed."""
    if not any(network.intervals(INSTABILITY) for network in networks):
        return ["No two children of a network trained, so there is no instability."]
    lines = [f"Stable is an instability of test error below {below:g} points."]
    lines += [sentence(network, below) for network in networks]
    failing = {network.name: failures(network.children) for network in networks}
    return [*lines, *in_no_mean(failing)]


def sentence(network: Network, below: float) -> str:
    """From which rewind point on a network is stable: by its intervals, or with fewer than three seeds by its means."""
    intervals, rewinds = network.intervals(INSTABILITY), network.rewinds
    seeds = max((interval.n for interval in intervals.values()), default=0)
    arm = network.arm if network.arm == "ticket" else f"arm {network.arm}"
    name = "The dense network" if network.level == 0 else f"The {arm} at {percent(network.density)}%"
    if not intervals:
        return f"{name}: at no rewind point did two of its children train."
    if seeds < SEEDS:
        return f"{name}: {by_means(network, intervals, below, seeds)}."
    answers = {k: judged(interval, below) for k, interval in intervals.items()}
    first = settled({k: x == "stable" for k, x in answers.items()}, rewinds)
    parts = []
    if first is not None:
        parts.append(f"stable from {at(network, first)} on ({words(intervals[first])} points there)")
    for answer, text in (("unstable", "not stable at"), ("undecided", "undecided at")):
        places = [k for k in rewinds if answers.get(k, "undecided") == answer and k in intervals]
        shown = [f"{at(network, k)} ({words(intervals[k])})" for k in places]
        parts += [f"{text} {', '.join(shown)}"] if shown else []
    if isolated := [at(network, k) for k in rewinds if answers.get(k) == "stable" and (first is None or k < first)]:
        parts.append(f"stable at {', '.join(isolated)}, and not at all later points")
    return f"{name} is {'; '.join(parts)}; n = {seeds} seeds."


def by_means(network: Network, intervals: ByRewind, below: float, seeds: int) -> str:
    """The mean instability at each rewind point, and from where on it is low; no verdict."""
    values = ", ".join(f"{interval.mean:.2f} at {at(network, k)}" for k, interval in intervals.items())
    first = settled({k: interval.mean < below for k, interval in intervals.items()}, network.rewinds)
    where = (
        "not below the bound at the last of them" if first is None else f"below the bound from {at(network, first)} on"
    )
    count = "one seed" if seeds == 1 else f"{seeds} seeds"
    return f"mean instability {values}; {where} ({count}: no verdict)"


def at(network: Network, k: int) -> str:
    """A rewind point in words: as an iteration and as a share of training."""
    return f"k={k:,} ({percent(k / network.total) if k else '0'}% of training)"


def words(interval: Interval) -> str:
    """A mean with the bounds of its interval."""
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def sheets(results: Results) -> list[Sheet]:
    """Every network of one seed at every rewind point."""
    settings = results.settings
    title = "Instability of the error between children (points) and their accuracy (%)"
    networks = networks_of(results["stability"], results["results"])
    return [sheet(title, networks, settings.stable_below, settings.report)]


def sheet(title: str, networks: Sequence[Network], below: float, criteria: Criteria) -> Sheet:
    """A row for each network and rewind point."""
    matching = matching_at(networks, criteria)
    cells = [cells_of(network, k, below, matching) for network in networks for k in network.rewinds]
    arms = dict.fromkeys(network.arm for network in networks if network.level)
    legend = {x: meaning(x) for x in arms}
    return Sheet(title, tuple(HEADS), cells, note=note_on(HEADS), narrow=NARROW, legend=legend, keys=2)


def note_on(heads: Iterable[str]) -> str:
    """What columns of the sheet hold, in sentences."""
    parts = [f"{head}: {HEADS[head]}" for head in heads if HEADS[head]]
    return f"{'; '.join(parts)}. Values are means over pairs, ± half of the 95% t interval over seeds."


def cells_of(network: Network, k: int, below: float, matching: Mapping[tuple[int, int], bool | None]) -> list[str]:
    """A row of the sheet, texts for HEADS."""
    instability = network.intervals(INSTABILITY).get(k)
    relative = ratio(network, k)
    verdict = judged(instability, below) if instability else "undecided"
    parts: list[str] = [verdict] if verdict != "undecided" else []
    if network.arm == "ticket" and (holds := matching.get((k, network.level))) is not None:
        parts.append("matching" if holds else "not matching")
    return [
        network.name,
        f"{k:,}",
        f"{percent(k / network.total) if k else '0'}%",
        span(network.accuracies(t_interval).get(k), 100),
        span(instability),
        span(network.intervals("train_instability").get(k)),
        span(network.intervals("test_instability_interpolated").get(k)),
        span(network.intervals("disagreement").get(k), 100),
        DASH if relative is None else f"{relative:.2f}",
        ", ".join(parts) or DASH,
    ]


def ratio(network: Network, k: int) -> float | None:
    """The mean distance between children over that which they have moved; None where none was measured."""
    between, moved = (network.intervals(name).get(k) for name in ("distance", "distance_from_start"))
    return between.mean / moved.mean if between and moved and moved.mean else None


def span(interval: Interval | None, factor: float = 1.0) -> str:
    """A mean and half of its interval."""
    if interval is None:
        return DASH
    text = f"{factor * interval.mean:.2f}".replace("-", MINUS)
    return text if interval.high is None else f"{text} ±{factor * (interval.high - interval.mean):.2f}"


def matching_at(networks: Sequence[Network], criteria: Criteria) -> dict[tuple[int, int], bool | None]:
    """(rewind point, level) -> whether its ticket matches the dense network of the same seed and rewind point."""
    by_rewind: dict[int, list[Row]] = {}
    for network in networks:
        for row in network.children:
            by_rewind.setdefault(row["rewind"], []).append(row)
    return {
        (k, level): verdict.matching
        for k, rows in by_rewind.items()
        for level, verdict in verdicts(rows, criteria).items()
    }
