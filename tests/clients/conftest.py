"""The teachers of the institution's wing serve here too."""

from tests.teacher.conftest import _threads, items, make_teacher

__all__ = ["_threads", "items", "make_teacher"]
