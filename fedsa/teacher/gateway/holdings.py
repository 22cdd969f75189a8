"""What a gateway serves: teachers by their files, and the institution's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedsa.errors import TeacherFileError
from fedsa.teacher.card_file import read
from fedsa.teacher.gateway.address import GatewayError
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher


class Holdings:
    """The teachers of some files; their models are loaded by :meth:`load`.

    Parameters
    ----------
    files : Sequence[Path]
        Teacher files.
    state : Path
        Folder of the institution's own records, made if it is not there, closed to all others.

    Raises
    ------
    TeacherFileError
        If a file has faults, or two name the same teacher.
    GatewayError
        If the folder cannot be made.
    """

    def __init__(self, files: Sequence[Path], state: Path) -> None:
        if not files:
            raise GatewayError("There is nothing to serve: name at least one teacher file.")
        self._files: dict[str, Path] = {}
        for file in files:
            name = read(file).id
            if name in self._files:
                raise TeacherFileError(
                    f"'{self._files[name]}' and '{file}' are both of a teacher '{name}': "
                    "one gateway needs an id for each."
                )
            self._files[name] = file
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise GatewayError(
                f"The folder '{state}' for the institution's records cannot be made: "
                f"{error.strerror}. Give another by --state."
            ) from None
        self._state = state

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the teachers, sorted."""
        return tuple(sorted(self._files))

    def load(self) -> tuple[Mapping[str, Any], SetStore]:
        """Load every model; return the teachers by id, and the sets that are held.

        Raises
        ------
        TeacherFileError
            If a model cannot be used.
        """
        teachers = {}
        for name, file in self._files.items():
            teachers[name] = Teacher.load(file)
            _ = teachers[name].card  # tries for gradients, which should not wait for a caller
        return teachers, SetStore(self._state / "sets")

    def close(self) -> None:
        """Close the records."""
