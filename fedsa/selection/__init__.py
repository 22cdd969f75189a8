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
    },
    ("options",),
)
"""``selector(options: SelectionOptions) -> Selector``."""

__all__ = ["SELECTORS", "Evidence", "Selection", "Selector"]
