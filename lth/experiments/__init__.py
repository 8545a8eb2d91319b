"""The experiments that come with lth, a package each. In a checkout they lie beside `lth`, in an installed wheel here."""

from pathlib import Path

_beside = Path(__file__).parents[2] / "experiments"
if _beside.is_dir():
    __path__.append(str(_beside))
