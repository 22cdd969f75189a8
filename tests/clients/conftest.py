"""The teachers and gateways of the institution's wing serve here too."""

from tests.teacher.conftest import _threads, items, make_teacher
from tests.teacher.gateway.conftest import gateway, short

__all__ = ["_threads", "gateway", "items", "make_teacher", "short"]
