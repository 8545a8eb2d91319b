"""One W&B run for one replicate. W&B shows and never stores: the job's own files are the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth.report.wandb.run import begin, by_agent, gave_up, pictures, wandb_mode

if TYPE_CHECKING:
    from lth.settings import TrainingSettings  # its values are read here


@dataclass(frozen=True)
class Chart:
    """Lines against the level, (level, value) by name, in one panel of W&B's own.

    The level, and not the density: that panel has no logarithmic axis, and levels are even steps of one.
    """

    name: str
    title: str
    lines: Mapping[str, Sequence[tuple[int, float]]]


class Wandb:
    """One W&B run for one replicate, begun with the first training: a command that trains nothing writes none.

    Whatever is logged before that is kept and logged then. W&B's failure is one warning, and the job goes on without.
    A W&B agent waits for a run whatever was found in the store: for it, the run begins at once.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mode: str,
        project: str,
        entity: str | None,
        tags: list[str],
        experiment: str,
        setting: str,
        name: str,
        id: str,
        config: Mapping[str, Any],
    ) -> None:
        self.mode: Any = wandb_mode(mode)
        self.directory = directory
        more = (name for key in ("one_shot_arms", "methods") for name in config.get(key) or ())
        self.arms = dict.fromkeys(["ticket", *config.get("arms", ()), *more])
        self.arguments: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "tags": tags,
            "group": f"{experiment}-{setting}",
            "job_type": experiment,
            "name": name,
            "id": id,
            "config": dict(config),
        }
        self.run: Any = None
        self.waiting: list[tuple[dict[str, Any], int]] = []
        self.logged = -1  # the last level that a resumed run has already
        self.failed = self.mode == "disabled"

    def start(self, trained: bool = True) -> None:
        """Begins the run, if it has not begun, and logs what has been waiting; `trained`: whether anything was."""
        if self.run is None and not self.failed and (trained or by_agent()):
            self._guard(self._start)

    def log(self, values: dict[str, Any], level: int) -> None:
        """Logs one row of `level`; it carries its own step, `level` or `iteration`.

        A run that goes on after a kill, online, has the levels before already: they are not logged twice.
        """
        if self.failed:
            return
        if self.run is None:
            self.waiting.append((values, level))
        elif level > self.logged:
            self._guard(lambda: self.run.log(values))

    def finish(
        self,
        columns: list[str],
        rows: list[list[Any]],
        ticket: Path,
        figures: Mapping[Path, str] | None = None,
        charts: Sequence[Chart] = (),
    ) -> None:
        """Logs results, figures (path -> caption), charts and the last ticket, and ends the run, if it has begun."""
        if self.run is not None and not self.failed:
            self._guard(lambda: self._finish(columns, rows, ticket, figures or {}, charts))

    def stop(self) -> None:
        """Ends a run that was broken off."""
        if self.run is not None and not self.failed:
            self._guard(lambda: self.run.finish(exit_code=1))
            self.run = None

    def _start(self) -> None:
        self.run = begin(self.directory, self.mode, resume="allow", **self.arguments)
        define = self.run.define_metric
        define("level", hidden=True)  # the axes: as panels of their own they would say nothing
        define("iteration", hidden=True, summary="none")
        # Hundreds of curves: one panel and one column each would bury the rest. A dashboard shows them together.
        define("curve/*", step_metric="iteration", hidden=True, summary="none")
        for pattern in ("density", "sparsity", "layer/*", *(f"{arm}/*" for arm in self.arms)):
            define(pattern, step_metric="level")
        if self.run.resumed:
            self.logged = self.run.summary.get("level", -1)
        waiting, self.waiting = self.waiting, []
        for values, level in waiting:
            if level > self.logged:
                self.run.log(values)

    def _finish(
        self,
        columns: list[str],
        rows: list[list[Any]],
        ticket: Path,
        figures: Mapping[Path, str],
        charts: Sequence[Chart],
    ) -> None:
        import wandb

        shown = {"results": wandb.Table(columns=list(columns), data=rows), **pictures(figures)}
        for chart in charts:
            key = f"figures/{chart.name}"
            self.run.define_metric(f"{key}_table", hidden=True)  # the chart's own data
            levels = [[level for level, _ in line] for line in chart.lines.values()]
            values = [[value for _, value in line] for line in chart.lines.values()]
            shown[key] = wandb.plot.line_series(levels, values, list(chart.lines), chart.title, "level")
        self.run.log(shown)
        artifact = wandb.Artifact(f"ticket-{self.arguments['id']}", type="ticket")
        artifact.add_file(str(ticket))
        self.run.log_artifact(artifact)
        self.run.finish()
        self.run = None

    def _guard(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:  # whatever it is, no experiment ends by it
            self.failed, self.run = True, None
            gave_up(error, "the job goes on without it, its own files hold everything")


def tracker(spec: "TrainingSettings", config: Mapping[str, Any]) -> Wandb:
    """The W&B run of the replicate that `spec` asks for, not yet begun; `config` is what it shows of the settings."""
    return Wandb(
        Path(spec.outputs),
        mode=spec.wandb.mode,
        project=spec.wandb.project,
        entity=spec.wandb.entity,
        tags=spec.wandb.tags,
        experiment=spec.experiment,
        setting=spec.setting(),
        name=f"{spec.data.name}-{spec.model.name}-seed{spec.seed}",
        id=spec.replicate(),
        config=config,
    )
