"""Errors name the key and the value, and travel between processes."""

import pickle

import pytest

from lth.core.errors import DataError, LotteryError, SettingError


def test_a_setting_error_names_key_value_and_problem() -> None:
    assert str(SettingError("recipe.lr", -1, "must be above 0")) == "recipe.lr=-1: must be above 0"


@pytest.mark.parametrize("error", [SettingError("a.b", [1], "no"), DataError("gone"), LotteryError("x")], ids=repr)
def test_an_error_comes_back_from_another_process(error: LotteryError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error)
