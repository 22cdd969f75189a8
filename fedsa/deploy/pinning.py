"""Runs only the app bundles that the institution has approved, whatever a coordinator sends.

Flower has no such lock of its own: it is put around the function by which a SuperNode takes a
message and, at the first of a run, fetches the run's bundle. That function is private to
Flower, so the lock is made for one version and refuses every other.

What is locked is the bundle. The run config that a coordinator sends beside it is not covered by
the hash; the gateway therefore believes nothing of it.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fedsa.deploy.bundles import Bundles
from fedsa.deploy.unsent import waiting
from fedsa.errors import RunError

FLOWER = "1.41.0"
MODULE, TAKES, ANSWERS = (
    "flwr.supernode.start_client_internal",
    "_pull_and_store_message",
    "_insert_message",
)
_NEEDS = {"state", "object_store", "receive", "get_fab"}
REASON = "This institution has not approved the app bundle {hash}: ask it to, then run again."
"""All that a coordinator is told."""
_WAIT = 0.5


class NotApprovedError(Exception):
    """A bundle is not on the institution's list."""


def lock(bundles: Bundles, patience: float = 2.5) -> None:
    """Put the lock around Flower's SuperNode in this process.

    Parameters
    ----------
    bundles : Bundles
        Those of the institution; the list is read anew each time, so that an approval counts at
        once.
    patience : float
        Seconds within which new messages are looked for every half second, before Flower's own
        pause of three seconds.

    Raises
    ------
    RunError
        If the installed Flower is not the one that the lock was made for.
    """
    module = _module()
    module.__dict__[TAKES] = _locked(
        getattr(module, TAKES), getattr(module, ANSWERS), bundles, patience
    )


def _module() -> Any:
    try:
        found = version("flwr")
        module = importlib.import_module(MODULE)
    except (PackageNotFoundError, ImportError):
        found, module = "another version", None
    function = getattr(module, TAKES, None)
    whole = (
        found == FLOWER
        and callable(getattr(module, ANSWERS, None))
        and function is not None
        and {*inspect.signature(function).parameters} >= _NEEDS
    )
    if not whole:
        raise RunError(
            f"Bundles can be locked by their hash in Flower {FLOWER} only, and this is {found}: "
            f"install flwr=={FLOWER}. The SuperNode was not started."
        )
    return module


def _locked(
    take: Callable[..., Any], answer: Callable[..., None], bundles: Bundles, patience: float
) -> Callable[..., Any]:
    from flwr.app.error import Error
    from flwr.app.message import Message
    from flwr.common.constant import ErrorCode
    from flwr.supercore import log

    def locked(**given: Any) -> Any:
        taken: list[Message] = []
        receive, get_fab = given["receive"], given["get_fab"]

        def remembered() -> Any:
            deadline = time.monotonic() + patience
            while (found := receive()) is None and time.monotonic() < deadline:
                if waiting(given["state"]) is not None:
                    break
                time.sleep(_WAIT)
            if found is not None:
                taken.append(found[0])
            return found

        def checked(fab_hash: str, run_id: int) -> Any:
            fab = get_fab(fab_hash, run_id)
            # By its content, whatever hash the coordinator's side claims.
            digits = hashlib.sha256(fab.content).hexdigest()
            bundles.keep(fab.content)
            if digits not in bundles.approved():
                raise NotApprovedError(digits)
            return fab

        try:
            run_id = take(**{**given, "receive": remembered, "get_fab": checked})
            return waiting(given["state"]) if run_id is None else run_id
        except NotApprovedError as refused:
            digits = str(refused)
            log(
                40,
                "The coordinator's app bundle %s is not approved here and was not run. Read it "
                "with 'fedsa client review %s', then approve it with 'fedsa client approve %s'.",
                digits,
                digits[:12],
                digits[:12],
            )
            (message,) = taken
            error = Error(ErrorCode.INVALID_FAB, REASON.format(hash=digits))
            answer(Message(error, reply_to=message), given["state"], given["object_store"])
            return message.metadata.run_id

    return locked
