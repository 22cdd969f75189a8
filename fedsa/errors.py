"""What can go wrong, as one clear sentence each: what, where, what to do."""

from __future__ import annotations

from collections.abc import Sequence


class FedsaError(Exception):
    """Base of every error that a person is meant to read; the message is the whole story."""

    exit_code = 1


class ScenarioError(FedsaError):
    """A scenario (or a command-line override) is not valid.

    Parameters
    ----------
    faults : Sequence[str]
        Every fault found, one sentence each, so that all can be mended in one go.
    """

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class PluginError(FedsaError):
    """A plug-in is unknown, does not import, or has the wrong signature."""

    exit_code = 2


class DataError(FedsaError):
    """A dataset is missing, has the wrong shape, or holds values that are not numbers."""

    exit_code = 3


class TeacherFileError(FedsaError):
    """A teacher's card file or weights cannot be used (told to the institution only)."""

    exit_code = 4


class RunError(FedsaError):
    """A run could not start, go on, or finish; what it had is in its folder."""

    exit_code = 5


class ResumeError(RunError):
    """A run folder cannot be resumed: its config or its teachers changed."""

    exit_code = 6


class AllTeachersGone(RunError):
    """No teacher can be reached any more; the last checkpoint stands."""

    exit_code = 7
