"""The app bundles that a coordinator sends: kept for reading, compared, approved by hash.

A bundle (Flower's FAB) is a zip archive of the code that a SuperNode runs for a coordinator.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fedsa.app_folder import app_root, write_app
from fedsa.bundling import staged
from fedsa.errors import RunError

LARGEST = 10 * 2**20
"""Bytes of a bundle, and of any file in it; Flower's own limit."""
KEPT = 20
"""Bundles that are kept without being approved; the oldest are let go first."""
MANIFEST, PROJECT = ".info/CONTENT", "pyproject.toml"
_APP = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LEAST_DIGITS = 12


@dataclass(frozen=True)
class Bundle:
    """One bundle's content.

    Parameters
    ----------
    hash : str
        sha256 of the archive.
    files : Mapping[str, bytes]
        What is in it, by name, Flower's own list of contents left out.
    odd : tuple[str, ...]
        What no honest bundle has: names used twice or leading out of the folder.
    """

    hash: str
    files: Mapping[str, bytes]
    odd: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> Bundle:
        """Read an archive.

        Raises
        ------
        RunError
            If it is none, or too large.
        """
        files: dict[str, bytes] = {}
        odd = []
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > LARGEST:
                    raise RunError(f"The bundle holds more than {LARGEST >> 20} MiB: refuse it.")
                for entry in entries:
                    name = entry.filename
                    if name in files:
                        odd.append(f"{name} is in it twice")
                    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
                        odd.append(f"{name} leads out of the folder")
                    if name != MANIFEST:
                        files[name] = archive.read(entry)
        except RunError:
            raise
        except Exception:  # of damage each packing's library makes another kind
            raise RunError("The bundle is not a zip archive that can be read: refuse it.") from None
        return cls(hashlib.sha256(content).hexdigest(), files, tuple(odd))


@dataclass(frozen=True)
class Difference:
    """How a bundle's files stand to those of the app that comes with this fedsa.

    ``new`` is the NAME for which ``fedsa new NAME`` writes its project file, if it is such a one;
    that file then counts as the same.
    """

    same: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: str = ""

    @classmethod
    def of(cls, bundle: Bundle, own: Bundle) -> Difference:
        """Compare ``bundle`` with ``own``, file by file."""
        found = cls()
        if bundle.files.get(PROJECT) != own.files.get(PROJECT) and (name := name_of_new(bundle)):
            found = cls(new=name)
            own = replace(own, files={**own.files, PROJECT: bundle.files[PROJECT]})
        for name in sorted({*bundle.files, *own.files}):
            if name not in own.files:
                found.added.append(name)
            elif name not in bundle.files:
                found.missing.append(name)
            else:
                equal = bundle.files[name] == own.files[name]
                (found.same if equal else found.changed).append(name)
        return found

    @property
    def is_none(self) -> bool:
        """Whether the bundle is, file by file, the own app."""
        return not (self.changed or self.added or self.missing)


class Bundles:
    """An institution's bundles, in the SuperNode's state folder.

    Parameters
    ----------
    state : Path
        Holds ``bundles/HASH.fab`` and ``approved-bundles`` (a hash and a date a line).
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / "bundles"
        self._list = state / "approved-bundles"

    def approved(self) -> dict[str, str]:
        """Return the approved hashes, with the day on which each was approved."""
        found = {}
        text = self._list.read_text("ascii", "replace") if self._list.exists() else ""
        for line in text.splitlines():
            digits, _, day = line.strip().partition(" ")
            if _HASH.fullmatch(digits):
                found[digits] = day.strip()
        return found

    def approve(self, name: str) -> str:
        """Approve a bundle by its whole hash, or by the first digits of one that is kept.

        Raises
        ------
        RunError
            If the hash is none, or the digits fit no kept bundle or several.
        """
        digits = self.find(name) if not _HASH.fullmatch(name) else name
        if digits not in self.approved():
            try:
                self._list.parent.mkdir(parents=True, exist_ok=True)
                with self._list.open("a", encoding="ascii") as file:
                    file.write(f"{digits} {datetime.now(UTC):%Y-%m-%d}\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise RunError(f"'{self._list}' cannot be written: {error.strerror}.") from None
        return digits

    def withdraw(self, name: str) -> str:
        """Take an approval back; runs that the node knows already are not stopped by it.

        Raises
        ------
        RunError
            If it was not approved here.
        """
        digits = self.find(name) if not _HASH.fullmatch(name) else name
        approved = self.approved()
        if digits not in approved:
            raise RunError(
                f"Bundle {digits} is not approved in '{self._list.parent}': name the folder of the "
                "SuperNode that approved it by --state."
            )
        left = {key: day for key, day in approved.items() if key != digits}
        aside = self._list.with_suffix(".tmp")
        aside.write_text("".join(f"{key} {day}\n" for key, day in left.items()), "ascii")
        aside.replace(self._list)
        return digits

    def keep(self, content: bytes) -> str:
        """Keep a bundle for reading, as far as there is room; return its hash."""
        digits = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{digits}.fab"
        if path.exists() or len(content) > LARGEST:
            return digits
        with contextlib.suppress(OSError):  # a full disk changes nothing about what may run
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".tmp")
            aside.write_bytes(content)
            aside.replace(path)
            self._let_go()
        return digits

    def kept(self) -> list[str]:
        """Return the hashes of the kept bundles, the newest first."""
        paths = sorted(self.folder.glob("*.fab"), key=lambda path: -path.stat().st_mtime_ns)
        return [path.stem for path in paths if _HASH.fullmatch(path.stem)]

    def find(self, name: str) -> str:
        """Return the one kept bundle whose hash begins with ``name``.

        Raises
        ------
        RunError
            If there is none, or more than one.
        """
        found = [digits for digits in self.kept() if digits.startswith(name)]
        if len(name) < _LEAST_DIGITS or len(found) != 1:
            raise RunError(
                f"'{name}' names no bundle that is kept here: give the whole hash, or at least its "
                f"first {_LEAST_DIGITS} digits; 'fedsa client bundles' lists them."
            )
        return found[0]

    def read(self, name: str) -> Bundle:
        """Read a kept bundle; see :meth:`find` and :meth:`Bundle.parse`."""
        return Bundle.parse((self.folder / f"{self.find(name)}.fab").read_bytes())

    def _let_go(self) -> None:
        approved = self.approved()
        for digits in [one for one in self.kept() if one not in approved][KEPT:]:
            (self.folder / f"{digits}.fab").unlink(missing_ok=True)


def build(folder: Path) -> bytes:
    """Return the bundle of an app folder, as ``flwr run`` makes and sends it.

    Raises
    ------
    RunError
        If Flower takes the folder for no app.
    """
    from flwr.cli.build import build_fab_from_disk

    try:
        with staged(folder) as app:
            return bytes(build_fab_from_disk(app))
    except (ValueError, OSError) as error:
        raise RunError(f"The app in '{folder}' cannot be bundled: {error}") from None


def own_bundle() -> Bundle:
    """Return the bundle of the app that comes with this fedsa."""
    return Bundle.parse(build(app_root()))


def new_bundle(name: str) -> Bundle:
    """Return the bundle of the app that ``fedsa new NAME`` writes: own code, a project of its own.

    Raises
    ------
    RunError
        If it is no such name.
    """
    with tempfile.TemporaryDirectory(prefix="fedsa-new-") as place:
        return Bundle.parse(build(write_app(Path(place) / name)))


def name_of_new(bundle: Bundle) -> str:
    """Return the NAME for which ``fedsa new NAME`` writes the bundle's project file, else ''.

    What the file calls itself is no more than a question: it is compared byte by byte.
    """
    content = bundle.files.get(PROJECT, b"")
    try:
        name = tomllib.loads(content.decode("utf-8"))["project"]["name"]
        if not _APP.fullmatch(name) or new_bundle(name).files[PROJECT] != content:
            return ""
    except (ValueError, LookupError, TypeError, RunError):
        return ""
    return str(name)
