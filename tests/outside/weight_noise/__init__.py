"""How robust tickets are to noise on their weights: accuracy with Gaussian noise added after training.

    lth weight_noise                    one seed of MNIST-1D
    lth weight_noise -m seed=0,1,2      three seeds; then lth report and lth claims weight_noise

Adds noise to the trained weights of every arm, relative to the standard deviation of each layer, and measures the test
accuracy again. `sign_flip` is a control: the ticket's weights at the rewind point with a tenth of their signs flipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import lth
from lth.api import imp_plan
from lth.core.rng import rng
from lth.core.setting import setting
from lth.core.tables import Column, Table
from lth.experiment import Experiment, Item
from lth.lottery.context import Context
from lth.lottery.levels import Level
from lth.pruning.scores.inputs import ScoreInputs
from lth.report.figures.lines import LineFigure, Measure
from lth.report.results import Results
from lth.session import Session
from lth.settings import LevelSettings
from lth.training.evaluate import evaluate
from lth.training.run_spec import RunSpec


@dataclass
class WeightNoise(LevelSettings):
    """The settings of this experiment, besides those of every level-wise one."""

    experiment: str = setting("weight_noise", "")
    noise: float = setting(0.5, "standard deviation of the noise, as a share of that of each layer's weights")
    probes: list[str] = setting(["sparse_layers"], "what is measured of every arm at every level", unhashed="setting")


@lth.score()
def noisy_magnitude(inputs: ScoreInputs) -> dict[str, Tensor]:
    """|w| times a random factor from 0.5 to 1.5."""
    draws = {name: torch.rand(weight.shape, generator=inputs.generator) for name, weight in inputs.weights.items()}
    return {name: weight.abs() * (0.5 + draws[name].to(weight.device)) for name, weight in inputs.weights.items()}


@lth.arm(draws=True)
def sign_flip(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the weights of the rewind point with a tenth of the signs flipped."""
    generator = rng(context.seed("sign_flip", level))
    state = {
        name: torch.where(torch.rand(tensor.shape, generator=generator).to(tensor.device) < 0.1, -tensor, tensor)
        if name in level.spec.mask
        else tensor
        for name, tensor in level.spec.initial_state.items()
    }
    return replace(level.spec, initial_state=state)


@lth.probe(columns=(Column("sparsest_layer", float, "0..1", "density of the sparsest layer of the arm's mask"),))
def sparse_layers(inputs: lth.ProbeInputs) -> dict[str, float]:
    """The density of the sparsest layer."""
    return {"sparsest_layer": min(float(kept.float().mean()) for kept in inputs.spec.mask.values())}


NOISY = Table(
    "noisy",
    (
        Column("level", int, "", "how often the network was pruned", required=True),
        Column("arm", str, "", "what was trained", required=True),
        Column("draw", int, "", "the number of the draw", required=True),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("noisy_test_accuracy", float, "0..1", "test accuracy with noise on the trained weights"),
        Column("verdict", str, "", "whether the noise costs more than a point of accuracy"),
    ),
    key=("level", "arm", "draw"),
    meaning="A row for each trained arm.",
)
FIGURE = LineFigure(
    "noise",
    "Accuracy under noise",
    "Test accuracy with Gaussian noise on the trained weights, against the percentage of weights that are left.",
    (Measure("noisy_test_accuracy", "test accuracy with noise (%)", 100),),
    table="noisy",
)


def run(session: Session) -> Iterator[Item]:
    """Yields every trained arm, its probes, and its accuracy under noise."""
    plan = imp_plan(session.settings, len(session.data.train))
    session.expect(plan.trainings)
    probes = session.probes(session.settings.probes)
    for level_outcomes in session.levels(plan):
        yield from level_outcomes
        yield from probes.measure(level_outcomes, session.progress.looking)
        for outcome in level_outcomes:
            if outcome.result.status != "done":
                continue
            accuracy = session.store.probed(
                outcome.result.run, f"noise {session.settings.noise}", lambda: noisy(session, outcome)
            )
            clean = outcome.result.points[-1].test_accuracy
            place = {
                "level": outcome.level.index,
                "arm": outcome.arm,
                "draw": outcome.draw,
                "density": outcome.level.density,
            }
            verdict = "fragile" if clean - accuracy > 0.01 else "robust"
            yield "noisy", place | {"noisy_test_accuracy": accuracy, "verdict": verdict}
        session.keep(level_outcomes[0].level)


def noisy(session: Session, outcome) -> float:
    """The test accuracy with noise on the weights that the mask keeps."""
    state = dict(outcome.result.final)
    for name, kept in outcome.spec.mask.items():
        noise = torch.randn(kept.shape, generator=rng(session.settings.seed, "noise", name))
        state[name] = state[name] + session.settings.noise * state[name].std() * noise * kept
    outcome.spec.model.load_state_dict(state)
    return evaluate(outcome.spec.model, session.device_data.test).accuracy


def answer(results: Results) -> list[str]:
    """How many arms the noise breaks."""
    fragile = [row for row in results["noisy"] if row["verdict"] == "fragile"]
    return [f"Noise costs {len(fragile)} of {len(results['noisy'])} networks more than a point of test accuracy."]


EXPERIMENT = Experiment(
    name="weight_noise",
    settings=WeightNoise,
    run=run,
    answer=answer,
    tables=(NOISY,),
    figures=(FIGURE,),
    seed_figures=(FIGURE,),
)
