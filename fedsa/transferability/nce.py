"""NCE, the negative conditional entropy (Tran, Nguyen & Hassner, ICCV 2019).

With z the teacher's own class of an item: NCE = 1/m sum_x log P(y_x|z_x) = -H(Y|Z), the
empirical conditional entropy with its sign turned; LEEP of answers made hard.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from fedsa.transferability.leep import leep


def nce(answers: Tensor, labels: Tensor, student: Tensor | None = None) -> float:
    """Return the negative conditional entropy in nats, never above 0; arguments as LEEP's."""
    return leep(F.one_hot(answers.argmax(dim=1), answers.shape[1]), labels)
