"""The experiments that come with lth, a package each: here in an installed wheel, beside `lth` in a checkout.

Each folder that the environment variable LTH_EXPERIMENTS names is a package here too. The variable reaches the
processes of a sweep, so that these find an experiment which was started as `lth ./my_experiment`.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

VARIABLE = "LTH_EXPERIMENTS"
"""The environment variable: folders of experiments, separated as in PATH."""

_beside = Path(__file__).parents[2] / "experiments"
if _beside.is_dir():
    __path__.append(str(_beside))


def folders() -> dict[str, Path]:
    """Name -> folder of each experiment that the environment names; the first of a name counts."""
    named = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return {folder.name: folder.absolute() for folder in reversed(named)}


class _Finder(MetaPathFinder):
    """Finds a named folder as `lth.experiments.NAME`; an experiment that comes with lth precedes one of its name."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, child = name.rpartition(".")
        folder = folders().get(child) if package == __name__ else None
        if folder is None:
            return None
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


sys.meta_path.append(_Finder())
