"""What searches took, from the tables of the jobs that say it."""

from lth.compression.tables import SEARCH
from lth.core.files import write_csv
from lth.report.searches import PLACE, searches


def write(folder, name="search.csv", columns=PLACE, **values):
    row = {"setting": "s", "seed": 0, "level": 1} | dict.fromkeys(SEARCH, 1) | values
    write_csv(folder / name, columns, [{column: row.get(column) for column in columns}])
    return folder


def test_they_are_read_of_their_tables_alone_and_the_later_counts(tmp_path):
    folders = [
        tmp_path / "nothing",
        write(tmp_path / "flow", "table.csv", ["form"], form="x"),
        write(tmp_path / "early", "table.csv", search_seconds=1),
        write(tmp_path / "late", "table.csv", search_seconds=2),
    ]
    found = searches(folders)
    assert [row["search_seconds"] for row in found["s", 1]] == [2] and list(found) == [("s", 1)]


def test_each_seed_has_a_row(tmp_path):
    folders = [write(tmp_path / str(seed), seed=seed, search_seconds=seed) for seed in (0, 1)]
    assert [row["search_seconds"] for row in searches(folders)["s", 1]] == [0, 1]
