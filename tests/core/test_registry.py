"""Registries: the package's own names, those of installed packages, dotted paths, and a helpful error for others."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lth.core.errors import SettingError
from lth.core.registry import Registry, imported, nearest

GROUP = "lth.tests"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the entry points `seven` and `one` in GROUP, as pip would have installed it."""
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nseven = others_numbers:SEVEN\none = others_numbers:ELEVEN\n")
    (tmp_path / "others_numbers.py").write_text("SEVEN = 7\nELEVEN = 11\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("others_numbers", None)


@pytest.fixture
def registry() -> Registry[int]:
    registry: Registry[int] = Registry("number", GROUP)
    registry.add("one", 1)
    registry.add("two", 2)
    return registry


def test_names_come_back_in_order_and_the_latest_of_a_name_counts(registry: Registry[int]) -> None:
    assert list(registry) == ["one", "two"] and registry.known() == [1, 2]
    assert registry.add("one", 10) == 10 and registry.get("one", "n") == 10 and list(registry) == ["one", "two"]
    assert "two" in registry and "three" not in registry


def test_installed_packages_add_names_and_cannot_replace_ours(registry: Registry[int], installed: Path) -> None:
    assert list(registry) == ["one", "two", "seven"] and "seven" in registry
    assert "others_numbers" not in sys.modules, "a name alone imports nothing"
    assert registry.get("seven", "n") == 7 and registry.get("one", "n") == 1
    assert registry.known() == [1, 2, 7] and list(registry) == ["one", "two", "seven"]


def test_a_dotted_path_names_anything(registry: Registry[int], installed: Path) -> None:
    assert registry.get("others_numbers:ELEVEN", "n") == 11
    assert registry.get("others_numbers:ELEVEN", "n") is registry.known()[-1]


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_the_folder.py").write_text("class Holder:\n    pass\n\nVALUE = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert imported("module_of_the_folder:VALUE", "n") == 3
    sys.modules.pop("module_of_the_folder")


@pytest.mark.parametrize(
    "path", ["nowhere:thing", "lth.core.registry:nothing", ":thing", "lth.core.registry:", "..:x", "a b:c"]
)
def test_a_path_that_cannot_be_imported_is_an_error_that_names_the_setting(registry: Registry[int], path: str) -> None:
    with pytest.raises(SettingError, match="cannot be imported") as error:
        registry.get(path, "pruning.score")
    assert str(error.value).startswith(f"pruning.score={path}: ")


def test_an_unknown_name_suggests_the_nearest_and_lists_all(registry: Registry[int], installed: Path) -> None:
    with pytest.raises(SettingError, match=r"^n=sevn: is no number; did you mean seven\? known: one, two, seven$"):
        registry.get("sevn", "n")
    with pytest.raises(SettingError, match=r"^n=zzz: is no number; known: one, two, seven$"):
        registry.get("zzz", "n")


def test_what_is_given_is_made_into_what_is_registered(installed: Path) -> None:
    registry: Registry[str] = Registry("word", GROUP, make=lambda value, name: f"{name} is {value}")
    assert registry.get("seven", "n") == "seven is 7"
    assert registry.get("others_numbers:ELEVEN", "n") == "others_numbers:ELEVEN is 11"
    assert registry.add("eight", "eight is 8") == registry.get("eight", "n")


def test_the_package_s_own_are_loaded_once_and_only_when_needed() -> None:
    calls = []

    def load() -> None:
        calls.append(len(calls))
        registry.add("one", 1)

    registry: Registry[int] = Registry("number", GROUP, load=load)
    assert calls == []
    assert registry.get("one", "n") == 1 and "one" in registry and list(registry) == ["one"] and registry.known() == [1]
    assert calls == [0]


def test_the_end_of_an_error_text() -> None:
    assert nearest("imq", ["imp", "deploy"]) == "did you mean imp? known: imp, deploy"
    assert nearest("x", iter(["imp"])) == "known: imp"
