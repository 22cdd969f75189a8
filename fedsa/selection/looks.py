"""Selection by looks alone: FedSA (Xie et al., arXiv 2207.13309), its released faults mended."""

from __future__ import annotations

from fedsa.options import SelectionOptions
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.policies import weights


class SaliencySelector:
    """Scores a teacher by how close its saliency maps are to the student's.

    What differs from the released code: every network sees the same probe items in the same
    order, each network's own mean map is taken away before the cosine (raw cosines bunch
    together), constant maps count zero instead of 0/0, the current student's maps are used, and
    teachers are drawn without replacement. With the policy ``softmax`` and k = 2 it is FedSA's
    rule; ``adaptive`` cannot do much with it, as looks do not say who is of no use at all.

    Parameters
    ----------
    options : SelectionOptions
        Policy, k and temperature.
    """

    def __init__(self, options: SelectionOptions) -> None:
        self.options = options

    def select(self, evidence: Evidence) -> Selection:
        """Score by closeness; a teacher that showed no maps has the lowest score of all."""
        scores = {name: evidence.closeness.get(name, -1.0) for name in sorted(evidence.teachers)}
        chosen = weights(scores, self.options, evidence.problem.seed, evidence.round)
        shown = {name: value for name, value in scores.items() if name in evidence.closeness}
        return Selection(
            weights=chosen,
            scores=scores,
            evidence={name: {"saliency": value} for name, value in shown.items()},
            reasons={
                name: f"look {'alike' if value > 0 else 'unlike'} ({value:+.2f})"
                if name in shown
                else "showed no maps"
                for name, value in scores.items()
            },
        )
