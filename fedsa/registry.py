"""One way to name a plug-in: built-in name, installed entry point, or ``module:attribute``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fedsa.errors import PluginError
from fedsa.sources import code_of


class Registry:
    """The plug-ins of one kind; nothing is imported before it is asked for.

    Parameters
    ----------
    kind : str
        Singular name of the kind (``"selector"``); installed packages offer theirs in the
        entry-point group ``fedsa.<kind>``.
    builtins : Mapping[str, str]
        Built-in names to ``module:attribute``.
    arguments : tuple[str, ...]
        Names of the leading arguments that a plug-in of this kind is called with (positionally).
    """

    def __init__(self, kind: str, builtins: Mapping[str, str], arguments: tuple[str, ...]) -> None:
        self.kind = kind
        self.builtins = dict(builtins)
        self.arguments = arguments

    def names(self) -> list[str]:
        """Return every name that :meth:`get` knows, sorted."""
        return sorted({*self.builtins, *self._installed()})

    def get(self, name: str) -> Any:
        """Return the plug-in called ``name``.

        Raises
        ------
        PluginError
            If the name is unknown, the import fails, or the signature does not fit.
        """
        installed = self._installed()
        if name in self.builtins:
            target, owner = self.builtins[name], "fedsa"
        elif name in installed:
            target = installed[name].value
            owner = f"distribution '{_distribution(installed[name])}'"
        elif ":" in name:
            target, owner = name, "the import path you gave"
        else:
            known = ", ".join(self.names())
            raise PluginError(
                f"Unknown {self.kind} '{name}': use one of {known}, or 'module:attribute'."
            )
        plugin = self._load(name, target, owner)
        self._check(name, plugin, owner)
        return plugin

    def source(self, name: str) -> str:
        """Return a digest of the code of a plug-in that is not built in; empty for all others.

        That is its module's file, or the whole package that the module is of.
        """
        if name in self.builtins:
            return ""
        installed = self._installed()
        target = installed[name].value if name in installed else name
        return code_of(target.partition(":")[0]) if ":" in target else ""

    def _installed(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=f"fedsa.{self.kind}"):
            other = "fedsa" if point.name in self.builtins else None
            if point.name in found and found[point.name].value != point.value:
                other = _distribution(found[point.name])
            if other is not None:
                raise PluginError(
                    f"Two distributions offer a {self.kind} '{point.name}': '{other}' and "
                    f"'{_distribution(point)}'; uninstall one, or name yours 'module:attribute'."
                )
            found[point.name] = point
        return found

    def _load(self, name: str, target: str, owner: str) -> Any:
        module, _, attribute = target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except Exception as error:  # a plug-in may fail in any way while it is imported
            raise PluginError(
                f"The {self.kind} '{name}' ({owner}) does not load from '{target}': "
                f"{type(error).__name__}: {error}."
            ) from error
        return found

    def _check(self, name: str, plugin: Any, owner: str) -> None:
        wanted = f"{self.kind}({', '.join(self.arguments)})"
        if not callable(plugin):
            raise PluginError(f"The {self.kind} '{name}' ({owner}) is not callable as {wanted}.")
        try:
            signature = inspect.signature(plugin)
        except (TypeError, ValueError):  # some C callables have none to check
            return
        try:
            signature.bind(*self.arguments)
        except TypeError as error:
            raise PluginError(
                f"The {self.kind} '{name}' ({owner}) has the signature {signature} "
                f"but is called as {wanted}: {error}."
            ) from error


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"
