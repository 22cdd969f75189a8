"""What the noise guarantees, by a library's account: a (epsilon, delta) of the whole teacher.

The unit is the teacher: two neighbouring worlds differ in which teacher stands behind the gateway,
not in one person's record. A row that leaves has Euclidean length at most one, and two such rows
differ by at most sqrt(2), so noise of standard deviation sigma has the multiplier sigma/sqrt(2).
To hide one teacher among all others is much to ask: noise that leaves answers useful gives a large
epsilon, and the card says that number as it is. It holds against one coordinator in one window;
windows, and coordinators who put their answers together, add up.
"""

from __future__ import annotations

import math
from functools import lru_cache

from fedsa.errors import TeacherFileError

LARGEST = 1e300
"""What is told in place of an epsilon that no float can hold."""
_LEAST = 1e-140  # its square is a number still


@lru_cache(maxsize=256)
def epsilon(sigma: float, releases: int, delta: float) -> float:
    """Return epsilon for a number of noised rows, by Renyi accounting; 0 without noise.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise.
    releases : int
        Rows that leave in all.
    delta : float
        Of the guarantee, in (0, 1).

    Raises
    ------
    TeacherFileError
        If the accountant's library is not installed.
    """
    if sigma == 0.0 or releases == 0:
        return 0.0
    try:
        from dp_accounting import GaussianDpEvent, NeighboringRelation, SelfComposedDpEvent
        from dp_accounting.rdp import RdpAccountant
    except ImportError:
        raise TeacherFileError(
            "policy.noise.sigma: noise needs an accountant; install it with "
            "pip install 'fedsa[teacher]', or set sigma to 0."
        ) from None
    accountant = RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE)
    event = GaussianDpEvent(noise_multiplier=max(sigma / math.sqrt(2.0), _LEAST))
    accountant.compose(SelfComposedDpEvent(event, releases))
    found = float(accountant.get_epsilon(delta))
    return min(found, LARGEST) if not math.isnan(found) else LARGEST
