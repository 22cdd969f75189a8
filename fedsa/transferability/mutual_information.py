"""Mutual information of the teacher's and the student's answers (no labels needed).

With the joint P(z, y) = mean_x p_i(z|x) p_S(y|x) over items x, I = KL(P(z, y) || P(z) P(y)) in
nats: what is learnt of the student's answer when only the teacher's is heard.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mutual_information(answers: Tensor, labels: Tensor | None, student: Tensor) -> float:
    """Return I(teacher; student) in nats, from 0 to the log of the fewer classes.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions.
    labels : Tensor | None
        Not used.
    student : Tensor
        ``(m, C)`` the student's distributions on the same items.
    """
    joint = answers.double().T @ student.double() / len(answers)
    independent = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    terms = torch.xlogy(joint, joint) - torch.xlogy(joint, independent)
    return max(0.0, float(terms.sum()))
