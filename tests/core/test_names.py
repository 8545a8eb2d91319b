"""File names from values: never a path, and different for different values."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.names import RESERVED, file_name

PATHS = ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "~"]
ODD = [*PATHS, "a\0b", "a\nb", "x" * 5000, "con", "NUL", "-rf", "a:b", "A", "a "]


@pytest.mark.parametrize("value", ["one", "id-conv2", "0a1b2c3d4e", "ticket_2"])
def test_a_plain_name_stays(value: str) -> None:
    assert file_name(value) == value


@given(st.text() | st.sampled_from(ODD))
def test_a_file_name_stays_in_its_folder(value: str) -> None:
    name = file_name(value, taken=["figures"])
    assert Path(name).parts == (name,) and 0 < len(name) < 120 and name.isascii() and name.isprintable()
    assert not name.startswith((".", "-", "~")) and "." not in name and name.lower() not in RESERVED
    assert (Path("/there") / name).resolve().parent == Path("/there")


@given(st.lists(st.text() | st.sampled_from(ODD), unique=True, max_size=8))
def test_different_values_have_different_names_whatever_the_case(values: list[str]) -> None:
    names = {file_name(value).casefold() for value in values}
    assert len(names) == len(values)
    assert not names & {file_name(name) for name in names if "~" in name}  # no value can take the name of another
    assert file_name("figures", taken=["figures"]) != "figures"
