"""The tables of `lth imp` besides results, layers and curves."""

from lth.analysis.level_probes import PROBES_OF_LTH
from lth.analysis.probes import tables_of
from lth.compression.tables import SEARCH
from lth.core.tables import Column, Table

SEARCHES = Table(
    "search",
    (
        Column("setting", str, "", "the setting of the rows that the ticket belongs to", required=True),
        Column("seed", int, "", "the seed of the replicate", required=True),
        Column("level", int, "", "how often the network was pruned", required=True, at_least=0),
        Column("density", float, "0..1", "kept / prunable weights"),
        *SEARCH.columns,
    ),
    key=("level",),
    meaning="A row for each level: every training that its ticket comes from, and the scoring. The ticket's own"
    " training and those of controls are not counted.",
)
TABLES = (SEARCHES, *tables_of(tuple(probe.name for probe in PROBES_OF_LTH)))
"""With the columns of lth's own probes; a run declares those of the probes that it measures."""
