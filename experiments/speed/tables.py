"""The tables of `lth speed`."""

from lth.core.tables import Column, Table

MEDIAN = (
    Column("median", float, "", "the median over blocks"),
    Column("quartile_1", float, "", "the first quartile over blocks"),
    Column("quartile_3", float, "", "the third quartile over blocks"),
)
PLACE = (
    Column("network", str, "", "the network", required=True),
    Column("density", float, "0..1", "kept / all weights of each layer", required=True),
)
RATIOS = Table(
    "ratios",
    (
        *PLACE,
        Column("above", str, "", "the way of training whose time is divided", required=True),
        Column("below", str, "", "by that of this one", required=True),
        Column("ratio", float, "", "the ratio of the medians", required=True),
        Column("quartile_1", float, "", "the first quartile of the ratios within a turn"),
        Column("quartile_3", float, "", "the third quartile of the ratios within a turn"),
        Column("goal", str, "", "the bound that the ratio is to keep"),
    ),
    key=("network", "density", "above", "below"),
    meaning="A row for each two ways of training that are compared, network and density.",
)
TIMES = Table(
    "speed",
    (
        *PLACE,
        Column("way", str, "", "the way of training", required=True),
        Column("batch_size", int, "examples", "the examples in a batch", required=True),
        Column("median", float, "ms", "an iteration: the median over blocks", required=True),
        Column("quartile_1", float, "ms", "the first quartile over blocks"),
        Column("quartile_3", float, "ms", "the third quartile over blocks"),
        Column("blocks", int, "", "the blocks that count", required=True, at_least=1),
    ),
    key=("network", "density", "way"),
    meaning="A row for each network, density and way of training: the time of an iteration, on two cores of both.",
)
MEASURES = Table(
    "measures",
    (
        Column("measure", str, "", "what was timed, or the ratio of two times", required=True),
        Column("unit", str, "", "its unit", required=True),
        *MEDIAN,
        Column("goal", str, "", "the bound that the median is to keep"),
    ),
    key=("measure",),
    meaning="A row for each further measure: of a custom loop, of the search, of evaluation, of two seeds at once.",
)
TABLES = (RATIOS, TIMES, MEASURES)
