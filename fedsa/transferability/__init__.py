"""Transferability: how much a teacher's answers know of the task, one estimator a file."""

from __future__ import annotations

from fedsa.registry import Registry

ESTIMATORS = Registry(
    "estimator",
    {
        "mutual-information": "fedsa.transferability.mutual_information:mutual_information",
        "leep": "fedsa.transferability.leep:leep",
        "nce": "fedsa.transferability.nce:nce",
        "cross-validation": "fedsa.transferability.cross_validation:cross_validation",
        "gain": "fedsa.transferability.cross_validation:gain",
        "rsa": "fedsa.transferability.rsa:rsa",
        "cka": "fedsa.transferability.cka:cka",
        "h-score": "fedsa.transferability.h_score:h_score",
        "h-score-shrunk": "fedsa.transferability.h_score:shrunk_h_score",
        "logme": "fedsa.transferability.logme:logme",
        "transrate": "fedsa.transferability.transrate:transrate",
        "parc": "fedsa.transferability.parc:parc",
    },
    ("answers", "labels", "student"),
)
"""``estimator(answers (m, C_i), labels (m,), student (m, C)) -> float``, higher is better."""

LOOKS = Registry(
    "look-estimator",
    {
        "attribution-affinity": "fedsa.transferability.looks:attribution_affinity",
        "fedsa-score": "fedsa.transferability.looks:fedsa_score",
        "closeness": "fedsa.transferability.looks:closeness",
    },
    ("maps", "student"),
)
"""``estimator(maps (m, cells), student's maps (m, cells)) -> float``, higher is better."""

__all__ = ["ESTIMATORS", "LOOKS"]
