"""Values kept under a key: computed again where the file is damaged, belongs to another key, or is not there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import LotteryError
from lth.store.probed import forget, plain, remembered


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=5))
def test_a_value_is_the_same_the_first_time_and_later(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("probes")
    assert remembered(folder, "key", lambda: value) == remembered(folder, "key", pytest.fail) == plain(value)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"checksum": 1}', "flipped", "folder"])
def test_what_is_damaged_is_computed_again(tmp_path, caplog, damage):
    remembered(tmp_path, "key", lambda: [1, 2])
    (path,) = tmp_path.iterdir()
    if damage == "flipped":
        path.write_text(path.read_text().replace("2", "3"))
    else:
        path.write_bytes(damage if isinstance(damage, bytes) else b"null")
    assert remembered(tmp_path, "key", lambda: [1, 2]) == [1, 2] and "damaged" in caplog.text
    assert remembered(tmp_path, "key", pytest.fail) == [1, 2]


def test_the_value_of_another_key_is_not_taken(tmp_path):
    remembered(tmp_path, "one", lambda: 1)
    (one,) = tmp_path.iterdir()
    remembered(tmp_path, "two", lambda: 2)
    (two,) = set(tmp_path.iterdir()) - {one}
    two.write_bytes(one.read_bytes())
    assert remembered(tmp_path, "two", lambda: 2) == 2
    assert json.loads(two.read_text())["body"]["key"] == "two"


def test_forgetting_takes_all_and_needs_no_folder(tmp_path):
    forget(tmp_path / "none")
    remembered(tmp_path, "key", lambda: 1)
    forget(tmp_path)
    assert remembered(tmp_path, "key", lambda: 2) == 2


def test_what_json_cannot_hold_and_what_cannot_be_written_are_errors(tmp_path):
    with pytest.raises(TypeError):
        remembered(tmp_path, "key", lambda: {1, 2})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match="cannot write"):
        remembered(tmp_path / "file", "key", lambda: 1)
