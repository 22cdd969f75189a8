"""A grid whose teachers sit behind real guards, with a policy and an office each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context, Message

from fedsa.messages import request_from, to_record
from fedsa.policy import PolicySection
from fedsa.teacher.desk import answer
from fedsa.teacher.host import ids_of
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher
from tests.strategy.conftest import FIRST_NODE, LocalGrid


@dataclass
class Institutions(LocalGrid):
    """As the grid of a simulation, but that the desk asks guards.

    Parameters
    ----------
    folder : Path
        Where the institutions keep their records.
    policies : dict[str, dict[str, Any]]
        By teacher, keys of its ``[policy]`` beside those that open everything to everybody; a
        teacher that is not here has none.
    """

    folder: Path = Path()
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    _guards: dict[str, Guard] = field(default_factory=dict)

    def answer(self, message: Message, context: Context) -> Message:
        node = int(message.metadata.dst_node_id) - FIRST_NODE
        request = request_from(message.content, message.metadata.message_type)
        guards = {name: self.guard(name) for name in ids_of(self.pool, node, self.nodes)}
        sets = SetStore(self.folder / "sets")
        return Message(to_record(answer(request, guards, sets, caller="us")), reply_to=message)

    def guard(self, name: str) -> Guard:
        if name not in self._guards:
            teacher = Teacher.load(self.pool / name / "teacher.toml")
            policy = None
            if name in self.policies:
                calls = ["predict", "score", "saliency"]
                whole = {"calls": calls, "coordinators": ["*"], "any-set": True}
                whole |= self.policies[name]
                # What comes from TOML has lists.
                policy = PolicySection.model_validate(whole, strict=False)
            office = Office(self.folder / name) if policy else None
            self._guards[name] = Guard(teacher, policy, office)
        return self._guards[name]

    def asked_of(self, name: str, kind: type) -> list[Any]:
        """Return the questions of one kind that a teacher was asked."""
        return [one for one in self.sent if isinstance(one, kind) and one.teacher == name]
