"""Verdicts in W&B: a run for each setting of `lth report`, beside the runs of its seeds and in their group.

Its rows go from level to level, as those of a seed do, but what they hold begins with `report/`, so that a mean over
the group never mixes the two. Its id comes from what it says: the same report again writes nothing, and one with more
seeds is a new run, since W&B does not reliably take back what a run has logged.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.tables import Row
from lth.report.compared import all_metric_columns
from lth.report.differences import difference_rows, differences_table
from lth.report.export import ABOUT, BOUNDS
from lth.report.gather import Gathered
from lth.report.reading import config_of
from lth.report.statistics import STOP, arms_of
from lth.report.summary import WORDS, summary_rows, summary_table
from lth.report.wandb.charts import pictures, show_table
from lth.report.wandb.guard import guarded
from lth.report.wandb.mode import mode_without_key, wandb_mode
from lth.report.wandb.run import RunInfo, begin, folder_of, gave_up

Columns = tuple[Sequence[str], Sequence[Row]]
"""A table: its columns, and rows that have them."""
NUMBERS = {"winning": 1, "undecided": 0, "not winning": -1, WORDS[True]: 1, WORDS[None]: 0, WORDS[False]: -1}
"""A decision as the number that a chart can show."""


def publish(
    mode: str, gathered: Gathered, places: Mapping[str, Path], says: Mapping[str, str], bars: str = "t"
) -> list[str]:
    """Writes a W&B run for each setting; a line about each, for the terminal.

    mode: auto, online, offline or disabled, as for a replicate; places: setting -> the folder whose figures show it;
    says: setting -> what it shows, in words. Failure is one warning: the report's own files hold everything.
    """
    outputs = outputs_of(gathered.folders)
    if mode_without_key(mode, outputs) == "disabled":
        return []
    project, entity = project_of(gathered.folders)
    lines = []
    for setting, rows in gathered.settings().items():
        summary, differences = (
            summary_rows(rows, bars, criteria=gathered.criteria),
            difference_rows(rows, gathered.criteria),
        )
        tables = {
            "summary": (summary_table(summary).names, summary),
            "differences": (differences_table(differences).names, differences),
        }
        info = run_info(rows, tables, bars, project, entity, says.get(setting, ""))
        try:
            write = partial(_publish, outputs, mode, info, tables, places[setting] / "figures")
            lines.append(guarded(write))
        except Exception as error:  # whatever it is, the report stands
            gave_up(error, "the report's own files hold everything")
            break
    return lines


def run_info(
    rows: Sequence[Row], tables: Mapping[str, Columns], bars: str, project: str | None, entity: str | None, notes: str
) -> RunInfo:
    """What the run about the `rows` of one setting is called; its id comes from what the `tables` say."""
    about = {column: rows[0][column] for column in ABOUT}
    seeds = sorted({row["seed"] for row in rows})
    return RunInfo(
        id=f"report-{hashlib.sha256(repr(tables).encode()).hexdigest()[:12]}",
        name=f"report, {len(seeds)} seed{'s' * (len(seeds) != 1)}",
        group=f"{about['experiment']}-{about['setting']}",
        job_type="report",
        project=project,
        entity=entity,
        notes=notes,
        config={**about, "seeds": seeds, "bars": bars},
    )


def _publish(outputs: Path, mode: str, info: RunInfo, tables: Mapping[str, Columns], figures: Path) -> str:
    """Writes the run of one setting; where it is."""
    mode = wandb_mode(mode, outputs)
    written = sorted(folder_of(outputs).glob(f"wandb/{'offline-' * (mode == 'offline')}run-*-{info.id}"))
    if written:
        return f"W&B has this report already: {written[-1]}"
    _, summary = tables["summary"]
    run = begin(outputs, mode, info)
    run.define_metric("level", hidden=True)
    for pattern in ("density", "sparsity", "report/*"):
        run.define_metric(pattern, step_metric="level")
    for arm, bound in product(arms_of(summary), BOUNDS[1:]):  # of a mean's three lines W&B's own panels show one
        run.define_metric(f"report/{arm}/{bound}/*", step_metric="level", hidden=True)
    for values in level_rows(summary):
        run.log(values)
    run.log(pictures(dict.fromkeys(sorted(figures.glob("*.png")), "")))
    for key, (columns, rows) in tables.items():
        kept = [column for column in columns if column not in (*ABOUT, "bars")]  # the rest is the same in each row
        if rows:
            show_table(run, f"tables/{key}", [{column: row[column] for column in kept} for row in rows])
    where = f"{Path(run.dir).parent} (offline: wandb sync uploads it)" if mode == "offline" else run.url
    run.finish()
    return f"W&B run {info.name!r} of {info.config['setting']}: {where}"


def level_rows(summary: Sequence[Row]) -> list[dict[str, Any]]:
    """What is logged of each level: means and bounds of every arm, and the verdict on its ticket as numbers."""
    levels: dict[int, dict[str, Any]] = {}
    for row in summary:
        density = row["density"]
        values = levels.setdefault(row["level"], {"level": row["level"], "density": density, "sparsity": 1 - density})
        for column, bound in product((*all_metric_columns(summary), STOP), BOUNDS):
            if row[f"{column}_{bound}"] is not None:
                values[f"report/{row['arm']}/{bound}/{column}"] = row[f"{column}_{bound}"]
        rate = {"mean": row["failed"] / row["trainings"]} if row["trainings"] else {}
        rate |= {bound: row[f"failure_rate_{bound}"] for bound in BOUNDS[1:]}
        values |= {f"report/{row['arm']}/{bound}/failure_rate": value for bound, value in rate.items()}
        for column in ("verdict", "matching"):
            if row[column] is not None:
                values[f"report/{column}"] = NUMBERS[row[column]]
    return list(levels.values())


def outputs_of(folders: Sequence[Path]) -> Path:
    """Where the jobs in `folders` keep their W&B runs: beside their store; `outputs` where that is not to be found."""
    for folder in reversed(folders):
        for above in (folder.resolve(), *folder.resolve().parents[:4]):
            if (above / "store").is_dir() or (above / "wandb").is_dir():
                return above
    return Path("outputs")


def project_of(folders: Sequence[Path]) -> tuple[str | None, str | None]:
    """The W&B project and entity of the latest of the jobs in `folders`, from the configuration that Hydra left.

    None: as the environment says.
    """
    for folder in reversed(folders):
        try:
            settings = config_of(folder).get("wandb")
        except LotteryError:
            continue
        names = [settings.get(key, "") for key in ("project", "entity")] if isinstance(settings, dict) else [""]
        if all(name is None or (isinstance(name, str) and name) for name in names):
            return names[0], names[1]
    return None, None
