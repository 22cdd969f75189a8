"""The door of a node: in a simulation it answers here, deployed it forwards to its gateway.

A deployed node starts a process for each message, which imports no model and nothing to run one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fedsa.messages import MessageError, Reply, request_from
from fedsa.teacher.faults import Fault, failure

LONGEST = 3600.0
"""Seconds that a gateway is given for one question at the very most."""

_log = logging.getLogger("fedsa.teacher")


def respond(
    record: Any,
    message_type: str,
    node_config: Mapping[str, Any],
    run_config: Mapping[str, Any],
    timeout: float = LONGEST,
) -> Reply:
    """Answer one Flower message's content; never raises.

    Parameters
    ----------
    record : RecordDict
        The message's content.
    message_type : str
        ``query.describe``, ``query.offer``, ``query.predict``, ``query.saliency``, ``query.score``.
    node_config, run_config : Mapping[str, Any]
        Of Flower's context. Only a simulation's nodes have a ``partition-id``. A deployed node
        names its ``gateway``, with ``gateway-ca``, ``gateway-certificate`` and ``gateway-key`` on
        TCP; nothing of the run's configuration, which the coordinator wrote, is followed there.
    timeout : float
        Seconds after which nobody waits for the reply any more.
    """
    try:
        if "partition-id" in node_config:
            from fedsa.teacher import host

            return host.respond(record, message_type, node_config, run_config)
        from fedsa.teacher.gateway.client import ask
        from fedsa.teacher.gateway.target import Target

        target = Target.of(node_config)
        return ask(target, request_from(record, message_type), min(timeout, LONGEST))
    except MessageError:
        return failure("malformed")
    except Fault as fault:
        return failure(fault.code)
    except Exception as error:  # nothing of it may leave
        _log.warning("%s failed", message_type, exc_info=error)
        return failure("internal")
