"""What is promised of the student's error rate, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Return what a summary's ``certificate`` says, for people."""
    sure = f"with probability {1 - found['delta']:.3g}"
    seen, labels = found["student"], found["labels"]
    told = [
        f"error at most {100 * seen['bound']:.1f} % {sure} ({seen['errors']} errors on {labels} "
        "labels that the run has not seen)"
    ]
    if drawn := found.get("randomised"):
        told.append(
            f"error at most {100 * drawn['bound']:.1f} % {sure} for the student with drawn "
            f"emissions, by PAC-Bayes ({100 * drawn['error']:.1f} % on the same labels, divergence "
            f"{drawn['divergence']:.2f} nats)"
        )
    return told
