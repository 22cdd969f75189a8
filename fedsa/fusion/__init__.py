"""Fusions by name: from the selected teachers' answers to a trained student."""

from fedsa.registry import Registry

FUSIONS = Registry(
    "fusion",
    {
        "prototypes": "fedsa.fusion.prototypes:PrototypeFusion",
        "beliefs": "fedsa.fusion.plain:PlainBeliefs",
        "multi-head": "fedsa.fusion.multihead:MultiHead",
        "stacking": "fedsa.fusion.stacking:Stacking",
        "consensus": "fedsa.fusion.consensus:Consensus",
        "by-name": "fedsa.fusion.by_name:ByName",
        "b-plus": "fedsa.fusion.bplus:BPlus",
        "cvae": "fedsa.fusion.cvae:VariationalFusion",
        "scratch": "fedsa.fusion.scratch:Scratch",
        "self-training": "fedsa.fusion.self_training:SelfTraining",
        "fixmatch": "fedsa.fusion.self_training:FixMatch",
    },
    ("options",),
)

__all__ = ["FUSIONS"]
