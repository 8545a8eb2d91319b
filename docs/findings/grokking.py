"""The findings of outputs/reference/grokking: when each network memorises and generalises, beside the ticket."""

import math
import statistics
from collections.abc import Iterable, Sequence

from lth.experiments.grokking.answer import DENSE, delays_by_network
from reference.markdown import table

from findings.measured import Measured, listed, times, trained
from findings.pages import REFERENCE, bullets
from lth.commands.claims import load_claims
from lth.core.tables import Row
from lth.report.intervals import Interval
from lth.report.statistics import percent

FOLDER = REFERENCE / "grokking"
MEASURED = {
    name: Measured(load_claims(f"minegishi2023_{claims}"), (FOLDER / name,))
    for name, claims in (("mlp", "mlp"), ("mlp_40", "mlp"), ("transformer", "transformer"))
}
TICKET, MEMORIZES, GENERALIZES = "ticket", "memorized_at", "generalized_at"
HEADS = ("network", "memorises at", "generalises at", "delay, in those of the ticket (95% interval)")


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    tables = {f"table_{name}": networks(measured) for name, measured in MEASURED.items()}
    return {"trainings": bullets(trainings()), "shows": bullets(shows())} | tables


def title(measured: Measured) -> str:
    """The network and how many weights its masks keep."""
    (density,) = {row["density"] for row in measured.results if row["level"] and row["arm"] == TICKET}
    name = {"modular_mlp": "MLP"}.get(measured.claims.model, measured.claims.model)
    return f"{name}, masks of {percent(density)}% of the weights"


def trainings() -> Iterable[str]:
    """What was trained."""
    for measured in MEASURED.values():
        rows = measured.results
        yield f"{title(measured)}: {len({row['seed'] for row in rows})} seeds, {trained(rows)}."


def shows() -> Iterable[str]:
    """The delay of the dense network and of every control, beside the ticket's."""
    for measured in MEASURED.values():
        rows = delays(measured)
        ratios = {network: ratio(measured, network) for network in rows if network != TICKET}
        longer = [network for network, x in ratios.items() if x.low is not None and x.low > 1]
        shorter = [network for network, x in ratios.items() if x.high is not None and x.high < 1]
        rest = [network for network in ratios if network not in (*longer, *shorter)]
        groups = {"longer than the ticket's": longer, "shorter than it": shorter, "not told from it": rest}
        words = [f"{text} for {listed([f'`{x}`' for x in names])}" for text, names in groups.items() if names]
        yield f"""**{title(measured)}.** Medians over the seeds: the dense network memorises at iteration
            {median(rows[DENSE], MEMORIZES)} and generalises at {median(rows[DENSE], GENERALIZES)}, the ticket at
            {median(rows[TICKET], MEMORIZES)} and {median(rows[TICKET], GENERALIZES)}. The delay of the dense network is
            {times(ratios[DENSE])} times the ticket's. By 95% intervals, each for itself, the delay is
            {"; ".join(words)}."""


def networks(measured: Measured) -> str:
    """A row for each network, in Markdown."""
    rows = []
    for network, seeds in delays(measured).items():
        longer = "1" if network == TICKET else times(ratio(measured, network))
        rows.append([f"`{network}`", median(seeds, MEMORIZES), median(seeds, GENERALIZES), longer])
    return table(HEADS, rows)


def delays(measured: Measured) -> dict[str, list[Row]]:
    """Network -> its rows of delays.csv."""
    return delays_by_network(measured.evidence.tables["delays"])


def ratio(measured: Measured, network: str) -> Interval:
    """How many times the ticket's delay that of `network` is; open where networks never generalise."""
    if network != DENSE:
        return measured.interval("delay_ratio", of={"arm": network}, than={"arm": TICKET})
    shorter = measured.interval("delay_ratio", of={"arm": TICKET}, than={"arm": TICKET, "level": 0})
    low, high = (None if end is None else 1 / end if end else math.inf for end in (shorter.high, shorter.low))
    return Interval(1 / shorter.mean, low, high, shorter.n)


def median(rows: Sequence[Row], column: str) -> str:
    """The median of a column, and how many never come to it; what never came is later than all."""
    values = [math.inf if row[column] is None else row[column] for row in rows]
    never, middle = values.count(math.inf), statistics.median_high(values)
    text = "never" if middle == math.inf else f"{middle:,.0f}"
    return f"{text} ({never} of {len(values)} never)" if never and middle != math.inf else text
