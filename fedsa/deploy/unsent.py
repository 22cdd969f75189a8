"""Replies that a SuperNode would keep to itself.

Flower's SuperNode (1.41) sends one reply after each message that it takes, whichever is there. If
a run ends or a SuperLink dies while a message is being taken, the app answers all the same, and
that reply goes out in place of the next message's, whose own then waits for the message after.
From there on the node is one message behind, which to a coordinator looks like a node that is
gone. Here such a reply counts as a reason to send, so that the node catches up.
"""

from __future__ import annotations

from typing import Any


def waiting(state: Any) -> int | None:
    """Return the run of a reply that nobody has sent; None if there is none.

    Parameters
    ----------
    state : NodeState
        The SuperNode's memory.
    """
    from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState

    if not isinstance(state, InMemoryNodeState):
        return None
    with state.lock_msg_store:
        for entry in state.msg_store.values():
            about = entry.message.metadata
            if about.reply_to_message_id and not entry.is_retrieved:
                return int(about.run_id)
    return None
