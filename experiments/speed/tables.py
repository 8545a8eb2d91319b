"""The table of `lth speed`, and the bounds that its measures are to keep."""

from lth.core.tables import Column, Table

WORKERS = "two seeds at once / in turn"
TARGETS = {
    "usual / ours": "at least 5",
    "ours / floor": "at most 2",
    WORKERS: "at most 0.6",
    "evaluation": "at most 40",
}
SPEED = Table(
    "speed",
    (
        Column("measure", str, "", "what was timed, or the ratio of two", required=True),
        Column("unit", str, "", "its unit", required=True),
        Column("median", float, "", "the median over blocks"),
        Column("quartile_1", float, "", "the first quartile over blocks"),
        Column("quartile_3", float, "", "the third quartile over blocks"),
        Column("target", str, "", "the bound that the median is to keep"),
    ),
    key=("measure",),
    meaning="A row for each measure.",
)
