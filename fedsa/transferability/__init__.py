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
    },
    ("answers", "labels", "student"),
)
"""``estimator(answers (m, C_i), labels (m,), student (m, C)) -> float``, higher is better."""

__all__ = ["ESTIMATORS"]
