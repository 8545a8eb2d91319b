"""What a caller wants kept of a training, beyond its answer: observations and weights along the way."""

import hashlib
from dataclasses import dataclass

from lth.core.weights import digest
from lth.training.trace import Trace


@dataclass(frozen=True)
class Wanted:
    """The keys of observers, and the iterations whose weights are kept. Not in the question."""

    observed: tuple[str, ...] = ()
    iterations: tuple[int, ...] = ()

    def digest(self) -> str:
        """A name for it, that a checkpoint carries: what was not kept before a kill would be missing."""
        words = [*self.observed, *(f"keep_at={iteration}" for iteration in self.iterations)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]

    def missing(self, trace: Trace) -> list[str]:
        """What `trace` lacks and another training would give, or name as an error: iterations outside it.

        A training that diverges keeps nothing from there on.
        """
        end = trace.stop + 1 if trace.status == "done" else trace.points[-1].iteration
        never = range(end, trace.stop + 1)
        lacking = [n for n in self.iterations if n not in never and not trace.keeps(n)]
        observations = [key for key in self.observed if key not in trace.observed]
        return observations + [f"the weights after iteration {n}" for n in lacking]

    def of(self, trace: Trace) -> Trace:
        """`trace` with this alone, so that an answer does not depend on who asked before."""
        wanted = {f"at_{iteration}{part}" for iteration in self.iterations for part in ("", "_mask")}
        trace.observed = {key: trace.observed[key] for key in self.observed if key in trace.observed}
        trace.states = {kind: x for kind, x in trace.states.items() if kind in wanted or not _asked_for(kind)}
        return trace


def same_way(first: Trace, second: Trace) -> bool:
    """Whether two trainings of one question have the same bits, judged by all the weights that both should have."""
    kinds = [kind for kind in first.states | second.states if not _asked_for(kind)]
    kinds += [kind for kind in first.states if _asked_for(kind) and kind in second.states]
    return all(
        kind in first.states and kind in second.states and digest(first.states[kind]) == digest(second.states[kind])
        for kind in kinds
    )


def _asked_for(kind: str) -> bool:
    return kind.startswith("at_")
