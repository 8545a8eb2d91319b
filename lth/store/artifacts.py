"""What a caller wants kept of a training besides its result: observations, and weights after given iterations."""

import hashlib
from dataclasses import dataclass

from lth.core.errors import reason_of
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import digest
from lth.training.records import CORRECT, check_finite, check_states
from lth.training.run_result import IMPOSSIBLE, RunResult, on_request
from lth.training.run_spec import RunSpec


@dataclass(frozen=True)
class RequestedArtifacts:
    """observed: the keys of observers. iterations: those whose weights are kept. Neither is in the fingerprint.

    >>> RequestedArtifacts(iterations=(100,)).missing(RunResult(0, 500))
    ['the weights after iteration 100']
    """

    observed: tuple[str, ...] = ()
    iterations: tuple[int, ...] = ()

    def digest(self) -> str:
        """A hash, in the name of the checkpoint: one of another request lacks what was not kept before the kill."""
        words = [*self.observed, *(f"keep_at={iteration}" for iteration in self.iterations)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]

    def missing(self, result: RunResult) -> list[str]:
        """What `result` lacks and training again would give (or report as an error: iterations outside the training).

        A training that diverged keeps nothing after that.
        """
        end = result.stop + 1 if result.status == "done" else result.points[-1].iteration
        never = range(end, result.stop + 1)
        iterations = [n for n in self.iterations if n not in never and not result.keeps(n)]
        observations = [key for key in self.observed if key not in result.observed]
        return observations + [f"the weights after iteration {n}" for n in iterations]

    def select(self, result: RunResult) -> RunResult:
        """`result` with these artifacts alone, so that it does not depend on earlier requests for the same run."""
        kinds = {f"at_{iteration}{part}" for iteration in self.iterations for part in ("", "_mask")}
        result.observed = {key: result.observed[key] for key in self.observed if key in result.observed}
        result.columns = {key: result.columns[key] for key in self.observed if key in result.columns}
        result.states = {kind: x for kind, x in result.states.items() if kind in kinds or not on_request(kind)}
        return result


def same_weights(first: RunResult, second: RunResult) -> bool:
    """Whether two trainings of one fingerprint gave the same bits, by all the weights that both should have."""
    kinds = [kind for kind in first.states | second.states if not on_request(kind) and kind != CORRECT]
    kinds += [kind for kind in first.states if on_request(kind) and kind in second.states]
    return all(
        kind in first.states and kind in second.states and digest(first.states[kind]) == digest(second.states[kind])
        for kind in kinds
    )


def check_fits(result: RunResult, spec: RunSpec) -> None:
    """Raises DamagedFileError where a kept result is none of `spec`, whatever its checksum and fingerprint say."""
    try:
        check_states(result.states, spec.model, spec.mask)
        stop = result.stop if spec.plan.open else spec.plan.stop
        if (result.start, result.stop) != (spec.plan.start, stop):
            raise ValueError(f"it is of the iterations {result.start} to {result.stop}")
        if result.status == "done":
            check_finite("final", result.final, spec.model)
    except IMPOSSIBLE as error:
        raise DamagedFileError(f"its contents are impossible: {reason_of(error)}") from error
