"""Verdicts in W&B: a run for each setting of `lth report`, beside the runs of its seeds and in their group.

Its rows go from level to level, as those of a seed do, but what they hold begins with `report/`, so that a mean over
the group never mixes the two. Its id comes from what it says: the same report again writes nothing, and one with more
seeds is a new run, since W&B does not reliably take back what a run has logged.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]  # it has no types of its own

from lth.core.tables import Row
from lth.report.export import (
    ABOUT,
    ACCURACIES,
    BOUNDS,
    DIFFERENCES,
    SUMMARY,
    WORDS,
    difference_rows,
    summary_rows,
)
from lth.report.gather import Gathered
from lth.report.statistics import STOP, arms_of
from lth.report.wandb.run import PROJECT, begin, gave_up, pictures, wandb_mode

NUMBERS = {"winning": 1, "undecided": 0, "not winning": -1, WORDS[True]: 1, WORDS[None]: 0, WORDS[False]: -1}
"""A decision as the number that a chart can show."""


def publish(
    mode: str, gathered: Gathered, places: Mapping[str, Path], says: Mapping[str, str], bars: str = "t"
) -> list[str]:
    """Writes a W&B run for each setting; what there is to say of them, a line each.

    mode: auto, online, offline or disabled, as for a replicate; places: setting -> the folder whose figures show it;
    says: setting -> what it shows, in words. Failure is one warning: the report's own files hold everything.
    """
    mode = wandb_mode(mode)
    if mode == "disabled":
        return []
    outputs = outputs_of(gathered.folders)
    project, entity = project_of(gathered.folders)
    found = []
    for setting, rows in gathered.settings().items():
        about = {"project": project, "entity": entity, "notes": says.get(setting, "")}
        try:
            found.append(_publish(outputs, mode, rows, places[setting] / "figures", bars, about))
        except Exception as error:  # whatever it is, the report stands
            gave_up(error, "the report's own files hold everything")
            break
    return found


def _publish(outputs: Path, mode: str, rows: Sequence[Row], figures: Path, bars: str, about: dict[str, Any]) -> str:
    """Writes the run of one setting; where it is."""
    first = {column: rows[0][column] for column in ABOUT}
    tables = {"summary": (SUMMARY, summary_rows(rows, bars)), "differences": (DIFFERENCES, difference_rows(rows))}
    seeds = sorted({row["seed"] for row in rows})
    about |= {
        "name": f"report, {len(seeds)} seed{'s' * (len(seeds) != 1)}",
        "id": f"report-{hashlib.sha256(repr(tables).encode()).hexdigest()[:12]}",
        "group": f"{first['experiment']}-{first['setting']}",
        "job_type": "report",
        "config": {**first, "seeds": seeds, "bars": bars},
    }
    written = sorted(outputs.glob(f"wandb/{'offline-' * (mode == 'offline')}run-*-{about['id']}"))
    if written:
        return f"W&B has this report already: {written[-1]}"
    run = begin(outputs, mode, **about)
    run.define_metric("level", hidden=True)
    for pattern in ("density", "sparsity", "report/*"):
        run.define_metric(pattern, step_metric="level")
    for arm, bound in product(arms_of(rows), BOUNDS[1:]):  # of a mean's three lines W&B's own panels show one
        run.define_metric(f"report/{arm}/{bound}/*", step_metric="level", hidden=True)
    for values in level_rows(tables["summary"][1]):
        run.log(values)
    shown = {f"tables/{key}": _table(columns, found) for key, (columns, found) in tables.items() if found}
    run.log({**shown, **pictures(dict.fromkeys(sorted(figures.glob("*.png")), ""))})
    where = f"{Path(run.dir).parent} (offline: wandb sync uploads it)" if mode == "offline" else run.url
    run.finish()
    return f"W&B run {about['name']!r} of {first['setting']}: {where}"


def _table(columns: Sequence[str], rows: Sequence[Row]) -> Any:
    """W&B's table of `rows`, without the columns that are the same in each."""
    import wandb

    kept = [column for column in columns if column not in (*ABOUT, "bars")]
    return wandb.Table(columns=[*kept], data=[[row[column] for column in kept] for row in rows])


def level_rows(summary: Sequence[Row]) -> list[dict[str, Any]]:
    """What is logged of each level: means and bounds of every arm, and the verdict on its ticket as numbers."""
    found: dict[int, dict[str, Any]] = {}
    for row in summary:
        density = row["density"]
        values = found.setdefault(row["level"], {"level": row["level"], "density": density, "sparsity": 1 - density})
        for column, bound in product((*ACCURACIES, STOP), BOUNDS):
            if row[f"{column}_{bound}"] is not None:
                values[f"report/{row['arm']}/{bound}/{column}"] = row[f"{column}_{bound}"]
        for column in ("verdict", "matching"):
            if row[column] is not None:
                values[f"report/{column}"] = NUMBERS[row[column]]
    return list(found.values())


def outputs_of(folders: Sequence[Path]) -> Path:
    """Where the jobs in `folders` keep their W&B runs: beside their store; `outputs` where that is not to be found."""
    for folder in reversed(folders):
        for above in (folder.resolve(), *folder.resolve().parents[:4]):
            if (above / "store").is_dir() or (above / "wandb").is_dir():
                return above
    return Path("outputs")


def project_of(folders: Sequence[Path]) -> tuple[str, str | None]:
    """The W&B project and entity of the latest of the jobs in `folders`, from the configuration that Hydra left."""
    for folder in reversed(folders):
        try:
            asked = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text(encoding="utf-8"))["wandb"]
            return str(asked["project"]), asked["entity"]
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
    return PROJECT, None
