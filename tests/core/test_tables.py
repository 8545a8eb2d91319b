"""Tables: what is written comes back with its kinds, and what is not declared is refused."""

import csv
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import LotteryError
from lth.core.tables import Column, Rule, Table, parse_row

TABLE = Table(
    "runs",
    (
        Column("name", str, "", "what the run is called", required=True),
        Column("level", int, "", "how often the network was pruned", required=True),
        Column("loss", float, "nats", "the validation loss", finite=False),
        Column("censored", bool, "", "whether the minimum may come later"),
    ),
    key=("name", "level"),
    meaning="A row for each run.",
)

ROWS = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(codec="utf-8"), min_size=1)
        | st.from_regex(r"'*[=+@\t\r\n-].{0,3}", fullmatch=True),
        "level": st.integers(-(2**64) + 1, 2**64 - 1),
        "loss": st.none() | st.floats(),
        "censored": st.none() | st.booleans(),
    }
)


def same(first: Any, second: Any) -> bool:
    return first == second or (isinstance(first, float) and math.isnan(first) and math.isnan(second))


@given(st.lists(ROWS, max_size=4))
def test_rows_come_back_from_the_file_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    path = TABLE.write(tmp_path_factory.mktemp("job"), rows)
    back = TABLE.read(path)
    assert len(back) == len(rows)
    for row, other in zip(back, rows, strict=True):
        assert list(row) == TABLE.names and all(same(row[name], other[name]) for name in row)
        assert [type(row[name]) for name in row] == [type(other[name]) for name in row]


def test_the_file_has_the_columns_in_their_order_and_empty_cells_for_none(tmp_path: Path) -> None:
    path = TABLE.write(tmp_path, [TABLE.row(level=1, name="a"), TABLE.row({"name": "b", "loss": 0.5}, level=2)])
    assert path == TABLE.path(tmp_path) == tmp_path / "runs.csv"
    assert path.read_text() == "name,level,loss,censored\na,1,,\nb,2,0.5,\n"


def test_a_row_has_every_column_and_no_other() -> None:
    assert TABLE.row({"level": 3}, name="a") == {"name": "a", "level": 3, "loss": None, "censored": None}
    with pytest.raises(KeyError, match="the table runs declares no column accuracy, step"):
        TABLE.row(step=1, level=3, accuracy=0.5)


def test_a_table_is_its_names_in_order_and_can_be_extended() -> None:
    assert list(TABLE) == TABLE.names == ["name", "level", "loss", "censored"] and TABLE.by_name["loss"].unit == "nats"
    more = TABLE.plus(Column("seconds", float, "s"))
    assert more.names == [*TABLE.names, "seconds"] and (more.key, more.meaning) == (TABLE.key, TABLE.meaning)
    assert TABLE.names[-1] == "censored"


def test_some_columns_alone_can_be_read_and_others_in_the_file_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("level,extra,name\n3,x,a\n")
    assert TABLE.read(path, ["name", "level"]) == [{"name": "a", "level": 3}]
    with pytest.raises(LotteryError, match=r"old\.csv: has no column loss, censored"):
        TABLE.read(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name,level,loss,censored\na,1,0.5,True\nb,x,,\n", r"line 3: level=x: is no whole number"),
        ("name,level,loss,censored\na,1,much,\n", r"line 2: loss=much: is no number"),
        ("name,level,loss,censored\na,1,,yes\n", r"line 2: censored=yes: is neither True nor False"),
        ("name,level,loss,censored\na,,,\n", r"line 2: level is empty"),
        ("name,level,loss,censored\n,,,\n", r"line 2: name, level is empty"),
        ("name,level,loss,censored\na,1\n", r"line 2: has 2 cells where the head of the table has 4"),
        ("name,level,loss,censored\na,1,,,,7\n", r"line 2: has 6 cells where the head of the table has 4"),
        ('name,level,loss,censored\n"a,1,,\n', r"is not a CSV table"),
        ("", r"has no column name"),
        ("name,level,loss,level,censored\na,1,,2,\n", r"has the column level twice"),
        ("name,level,loss,censored\na,1_0,,\n", r"line 2: level=1_0: is no whole number"),
        ("name,level,loss,censored\na,1.0,,\n", r"line 2: level=1\.0: is no whole number"),
        (
            f"name,level,loss,censored\na,{'9' * 5000},,\n",
            r"line 2: level=9{60}\.\.\.: is a number of more than 64 bits",
        ),
        ("name,level,loss,censored\na,1,1e309,\n", r"line 2: loss=1e309: is too large a number"),
        ('name,level,loss,censored\na,1,"\x1b[31m\n3",\n', r"line 3: loss=\\x1b\[31m\\n3: is no number"),
        (f"name,level,loss,censored\n{'a' * 10_001},1,,\n", r"name=a{60}\.\.\.: is longer than 10,000 characters"),
    ],
)
def test_a_bad_file_is_an_error_that_names_it_and_the_line(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(content)
    with pytest.raises(LotteryError, match=f"{path}.*{problem}") as error:
        TABLE.read(path)
    assert "\n" not in str(error.value)


def test_what_is_no_text_or_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LotteryError, match=r"runs\.csv: is not a CSV table"):
        TABLE.read(tmp_path / "runs.csv")
    with pytest.raises(LotteryError, match=r"none\.csv: No such file"):
        TABLE.read(tmp_path / "none.csv")


def test_cells_of_other_files_are_parsed_by_the_same_declaration() -> None:
    assert parse_row("a.json", {"name": "a", "level": "2", "more": ""}, TABLE.columns[:2]) == {"name": "a", "level": 2}


def test_importing_tables_imports_no_torch() -> None:
    code = "import sys, lth.core.tables, lth.core.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("column", "accepted", "refused", "problem"),
    [
        (Column("share", float, "0..1"), ("0", "1", "0.25", "1e-30"), ("-1", "57", "1.0000001"), "must be from 0 to 1"),
        (Column("share", float, "0..1"), (), ("nan", "inf", "-inf"), "must be a number from 0 to 1"),
        (Column("change", float, "0..1", at_least=-1), ("-1", "-0.5"), ("-1.5", "2"), "must be from -1 to 1"),
        (Column("step", int, "iterations"), ("0", "7", "+7"), ("-1",), "must be at least 0"),
        (Column("level", int, "", at_least=0), ("0",), ("-1",), "must be at least 0"),
        (Column("loss", float, "nats"), ("-3", "1e300"), ("nan", "inf"), "must be a number"),
        (Column("norm", float, at_least=0, finite=False), ("nan", "inf", "0"), ("-1",), "must be at least 0"),
        (Column("status", str, words=("done", "diverged")), ("done",), ("Done", "don"), "must be done or diverged"),
        (Column("name", str, at_most=3), ("abc",), ("abcd",), "is longer than 3 characters"),
    ],
)
def test_a_value_out_of_its_columns_range_is_refused(
    column: Column, accepted: tuple[str, ...], refused: tuple[str, ...], problem: str
) -> None:
    for text in accepted:
        column.parse(text)
    for text in refused:
        with pytest.raises(LotteryError, match=f"^a.csv, line 2: {column.name}={text}: {problem}"):
            parse_row("a.csv, line 2", {column.name: text}, [column])


def test_a_row_whose_values_do_not_fit_together_is_refused(tmp_path: Path) -> None:
    columns = Column("kept", int, "weights"), Column("size", int, "weights")
    table = Table("layers", columns, rules=(Rule(("kept", "size"), lambda kept, size: kept <= size, "too many"),))
    table.write(tmp_path, [{"kept": 2, "size": 2}, {"kept": 2, "size": None}])
    assert len(table.read(tmp_path / "layers.csv")) == 2 and table.read(tmp_path / "layers.csv", ["kept"])
    table.write(tmp_path, [{"kept": 3, "size": 2}])
    with pytest.raises(LotteryError, match=r"layers\.csv, line 2: kept=3, size=2: too many"):
        table.read(tmp_path / "layers.csv")


def test_a_spreadsheets_byte_order_mark_line_ends_and_empty_lines_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes("\ufeffname,level,loss,censored\r\na,1,0.5,\r\n\r\n".encode())
    assert TABLE.read(path) == [{"name": "a", "level": 1, "loss": 0.5, "censored": None}]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-x", "@home", "\t=1", "\r=1", "\n=1", "'=1", "''@"])
def test_no_text_reaches_a_file_as_a_formula(tmp_path: Path, name: str) -> None:
    path = TABLE.write(tmp_path, [TABLE.row(name=name, level=-1)])
    with path.open(newline="") as file:
        [_, [written, level, *_]] = csv.reader(file)
    assert written == "'" + name and level == "-1" and TABLE.read(path)[0]["name"] == name
