"""The experiments that come with lth, a package each: here in an installed wheel, beside `lth` in a checkout."""

from pathlib import Path

_beside = Path(__file__).parents[2] / "experiments"
if _beside.is_dir():
    __path__.append(str(_beside))
