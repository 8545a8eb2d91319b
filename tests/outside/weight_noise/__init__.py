"""How robust tickets are to noise on their weights.

    lth weight_noise                    one seed of MNIST-1D
    lth weight_noise -m seed=0,1,2      three seeds; then lth report and lth claims weight_noise

Adds noise to the trained weights of every arm, relative to the standard deviation of each layer, and measures the test
accuracy again. `sign_flip` is a control: the ticket's weights at the rewind point with a tenth of their signs flipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

import lth
from lth.analysis.probes import PLACE
from lth.experiment import Item


@dataclass
class WeightNoise(lth.LevelSettings):
    """The settings of this experiment, besides those of every level-wise one."""

    experiment: str = lth.setting("weight_noise", "")
    noise: float = lth.setting(0.5, "standard deviation of the noise, as a share of that of each layer's weights")
    probes: list[str] = lth.setting(["weight_noise:sparse_layers"], "what is measured of each arm", unhashed="setting")


@lth.score
def noisy_magnitude(inputs: lth.ScoreInputs) -> dict[str, Tensor]:
    """|w| times a random factor from 0.5 to 1.5."""
    draws = {name: torch.rand(weight.shape, generator=inputs.generator) for name, weight in inputs.weights.items()}
    return {name: weight.abs() * (0.5 + draws[name].to(weight.device)) for name, weight in inputs.weights.items()}


@lth.arm(draws=True)
def sign_flip(level: lth.Level, context: lth.Context) -> lth.RunSpec:
    """The level's mask, on the weights of the rewind point with a tenth of the signs flipped."""
    generator = lth.rng(context.seed(level))
    state = {
        name: torch.where(torch.rand(tensor.shape, generator=generator).to(tensor.device) < 0.1, -tensor, tensor)
        if name in level.spec.mask
        else tensor
        for name, tensor in level.spec.initial_state.items()
    }
    return replace(level.spec, initial_state=state)


@lth.probe(columns=(lth.Column("sparsest_layer", float, "0..1", "density of the sparsest layer of the arm's mask"),))
def sparse_layers(inputs: lth.ProbeInputs) -> dict[str, float]:
    """The density of the sparsest layer."""
    return {"sparsest_layer": min(float(kept.float().mean()) for kept in inputs.spec.mask.values())}


NOISY = lth.Table(
    "noisy",
    (
        *PLACE,
        lth.Column("density", float, "0..1", "kept / prunable weights"),
        lth.Column("noisy_test_accuracy", float, "0..1", "test accuracy with noise on the trained weights"),
        lth.Column("verdict", str, "", "whether the noise costs more than a point of accuracy"),
    ),
    key=("level", "arm", "draw"),
)
FIGURE = lth.LineFigure(
    "noise",
    "Accuracy under noise",
    "Test accuracy with Gaussian noise on the trained weights, against the percentage of weights that are left.",
    (lth.Measure("noisy_test_accuracy", "test accuracy with noise (%)", 100),),
    table="noisy",
)


def run(session: lth.Session) -> Iterator[Item]:
    """Yields every trained arm, its probes, and its accuracy under noise."""
    plan = session.imp_plan()
    session.expect(plan.trainings)
    probes = session.probes(session.settings.probes)
    for outcomes in session.levels(plan):
        yield from outcomes
        yield from probes.measure(outcomes, session.progress.measuring)
        for outcome in outcomes:
            key = f"accuracy under noise {session.settings.noise}"
            accuracy = session.store.probed(outcome.result.run, key, partial(noisy_accuracy, session, outcome))
            drop = (outcome.result.points[-1].test_accuracy or 0.0) - accuracy
            row = {"run": outcome.result.run, "level": outcome.level.index, "arm": outcome.arm, "draw": outcome.draw}
            row |= {"density": outcome.level.density, "noisy_test_accuracy": accuracy}
            yield "noisy", row | {"verdict": "fragile" if drop > 0.01 else "robust"}
        session.keep(outcomes[0].level)


def noisy_accuracy(session: lth.Session, outcome: lth.Outcome) -> float:
    """The test accuracy with noise on the weights that the mask keeps."""
    state = dict(outcome.result.final)
    for name, kept in outcome.spec.mask.items():
        noise = torch.randn(kept.shape, generator=lth.rng(session.settings.seed, "noise", name))
        state[name] = state[name] + session.settings.noise * state[name].std() * noise * kept
    outcome.spec.model.load_state_dict(state)
    return lth.evaluate(outcome.spec.model, session.device_data.test).accuracy


def answer(results: lth.Results) -> list[str]:
    """How many arms the noise breaks."""
    fragile = [row for row in results["noisy"] if row["verdict"] == "fragile"]
    return [f"Noise costs {len(fragile)} of {len(results['noisy'])} networks more than a point of test accuracy."]


EXPERIMENT = lth.Experiment(
    "weight_noise", WeightNoise, run, answer, tables=(NOISY,), figures=(FIGURE,), seed_figures=(FIGURE,)
)
