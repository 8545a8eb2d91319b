"""What a caller wants kept of a training, beyond its answer: observations and weights along the way."""

import hashlib
from dataclasses import dataclass

from lth.core.weights import digest
from lth.training.run_result import RunResult


@dataclass(frozen=True)
class RequestedArtifacts:
    """The keys of observers, and the iterations whose weights are kept. Not in the question."""

    observed: tuple[str, ...] = ()
    iterations: tuple[int, ...] = ()

    def digest(self) -> str:
        """A name for it, that a checkpoint carries: what was not kept before a kill would be missing."""
        words = [*self.observed, *(f"keep_at={iteration}" for iteration in self.iterations)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]

    def missing(self, result: RunResult) -> list[str]:
        """What `result` lacks and another training would give, or name as an error: iterations outside it.

        A training that diverges keeps nothing from there on.
        """
        end = result.stop + 1 if result.status == "done" else result.points[-1].iteration
        never = range(end, result.stop + 1)
        lacking = [n for n in self.iterations if n not in never and not result.keeps(n)]
        observations = [key for key in self.observed if key not in result.observed]
        return observations + [f"the weights after iteration {n}" for n in lacking]

    def of(self, result: RunResult) -> RunResult:
        """`result` with this alone, so that an answer does not depend on who asked before."""
        wanted = {f"at_{iteration}{part}" for iteration in self.iterations for part in ("", "_mask")}
        result.observed = {key: result.observed[key] for key in self.observed if key in result.observed}
        result.states = {kind: x for kind, x in result.states.items() if kind in wanted or not _asked_for(kind)}
        return result


def same_way(first: RunResult, second: RunResult) -> bool:
    """Whether two trainings of one question have the same bits, judged by all the weights that both should have."""
    kinds = [kind for kind in first.states | second.states if not _asked_for(kind)]
    kinds += [kind for kind in first.states if _asked_for(kind) and kind in second.states]
    return all(
        kind in first.states and kind in second.states and digest(first.states[kind]) == digest(second.states[kind])
        for kind in kinds
    )


def _asked_for(kind: str) -> bool:
    return kind.startswith("at_")
