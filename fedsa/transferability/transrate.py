"""TransRate (Huang et al., ICML 2022): the features' coding rate less their rate by class.

R(Z) = 1/2 logdet(I + Z'Z / (n eps)) is the rate that encodes the features up to the distortion
eps; TransRate = R(Z) - sum_c n_c/n R(Z_c), with Z centred over all items, is what knowing the
class saves. As logdet is concave it is never below 0. Here Z = sqrt(p), of unit length, so that
one eps means the same for all teachers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedsa.transferability.pairs import roots

DISTORTION = 1e-4
"""eps of the authors' code."""


def transrate(
    answers: Tensor, labels: Tensor, student: Tensor | None = None, distortion: float = DISTORTION
) -> float:
    """Return TransRate in nats, never below 0.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items.
    labels : Tensor
        ``(m,)`` their labels.
    student : Tensor | None
        Not used.
    distortion : float
        eps, the mean squared error that is put up with.
    """
    features = roots(answers)
    features = features - features.mean(dim=0)
    rate = _rate(features, distortion)
    for label in set(labels.tolist()):
        part = features[labels == label]
        rate -= len(part) / len(features) * _rate(part, distortion)
    return max(0.0, rate)


def _rate(features: Tensor, distortion: float) -> float:
    # The eigenvalues of Z'Z and ZZ' agree but for zeros: take the smaller matrix.
    wide = features.shape[1] > len(features)
    gram = features @ features.T if wide else features.T @ features
    eye = torch.eye(len(gram), dtype=gram.dtype)
    return 0.5 * float(torch.logdet(eye + gram / (len(features) * distortion)))
