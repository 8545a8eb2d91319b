"""Names of arms are read without importing what they do, and are those of the registry."""

from lth.lottery.arms import ARMS
from lth.lottery.names import built_in, meaning, names


def test_names_and_meanings_are_those_of_the_arms():
    assert {name: ARMS.get(name, "arms").meaning for name in built_in()} == built_in()
    assert list(names())[: len(built_in())] == list(ARMS)[: len(built_in())]
    assert all(map(meaning, built_in())) and meaning("nobody's") == ""


def test_an_arm_that_is_loaded_by_its_path_has_a_meaning_too(tmp_path, monkeypatch):
    (tmp_path / "arms_of_names.py").write_text(
        'import lth\n\n\n@lth.arm\ndef odd(level, context):\n    """An odd one."""\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ARMS.get("arms_of_names:odd", "arms")
    assert meaning("odd") == "an odd one" and "odd" in names()
