"""What a gateway serves: teachers by their files, and the institution's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fedsa.errors import TeacherFileError
from fedsa.policy import PolicySection
from fedsa.teacher.card_file import read
from fedsa.teacher.gateway import in_force
from fedsa.teacher.gateway.address import GatewayError
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
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
        If a file has faults, two name the same teacher, or the folder cannot be used.
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
        self._office = Office(state)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the teachers, sorted."""
        return tuple(sorted(self._files))

    def load(self) -> tuple[Mapping[str, Guard], SetStore]:
        """Load every model; return the teachers behind their policies, and the sets held.

        A file without a policy gets one that opens nothing. What is in force is noted beside the
        records; see :mod:`~fedsa.teacher.gateway.in_force`.

        Raises
        ------
        TeacherFileError
            If a model cannot be used.
        """
        guards, served = {}, {}
        for name, file in self._files.items():
            teacher = Teacher.load(file)
            guards[name] = Guard(teacher, teacher.file.policy or PolicySection(), self._office)
            served[file] = teacher.file
            _ = guards[name].card  # tries for gradients, which should not wait for a caller
        in_force.note(self._office.folder, served)
        return guards, self._office.sets

    def close(self) -> None:
        """Close the records."""
        self._office.close()
