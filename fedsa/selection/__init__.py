"""Selection: from what is known of the teachers to this round's teachers and weights."""

from __future__ import annotations

from fedsa.registry import Registry
from fedsa.selection.base import Evidence, Selection, Selector

SELECTORS = Registry(
    "selector",
    {
        "evidence": "fedsa.selection.evidence:EvidenceSelector",
        "saliency": "fedsa.selection.looks:SaliencySelector",
        "all": "fedsa.selection.simple:All",
        "random": "fedsa.selection.simple:RandomK",
        "best-single": "fedsa.selection.simple:BestSingle",
        "leep": "fedsa.selection.ranked:leep",
        "nce": "fedsa.selection.ranked:nce",
        "h-score": "fedsa.selection.ranked:h_score",
        "h-score-shrunk": "fedsa.selection.ranked:h_score_shrunk",
        "logme": "fedsa.selection.ranked:logme",
        "transrate": "fedsa.selection.ranked:transrate",
        "parc": "fedsa.selection.ranked:parc",
        "cross-validation": "fedsa.selection.ranked:cross_validation",
        "mutual-information": "fedsa.selection.ranked:mutual_information",
        "rsa": "fedsa.selection.ranked:rsa",
        "cka": "fedsa.selection.ranked:cka",
    },
    ("options",),
)
"""``selector(options: SelectionOptions) -> Selector``."""

__all__ = ["SELECTORS", "Evidence", "Selection", "Selector"]
