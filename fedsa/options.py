"""The parameters of every part, typed, with their defaults; a scenario is made of these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedsa.policy import PolicySection


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Options(BaseModel):
    """A frozen set of parameters; TOML spells the keys with hyphens, Python with underscores."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=_kebab, populate_by_name=True, strict=True
    )


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class TaskOptions(Options):
    """The new task and its data: what the student shall learn, and from how few labels."""

    kind: Literal["classification", "several"] = "classification"
    """``several``: the ``heads``, all at once."""
    data: str = "fashion-mnist-mini"
    """Dataset name, path of an ``.npz`` file or a class-per-folder directory, or
    ``module:attribute``."""
    heads: tuple[str, ...] = Field(default=(), strict=False)
    """Targets of the data that the student shall learn together, where the kind is ``several``."""
    classes: tuple[str, ...] = Field(default=(), strict=False)
    """Classes of the task, by name; empty for all classes of the data."""
    groups: dict[str, Annotated[tuple[str, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict
    )
    """Coarse classes in place of ``classes``: each a name and the data's classes that it joins."""
    also: dict[str, Annotated[tuple[str, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict
    )
    """What else teachers may call a class of the task: a class, and its other names. The members of
    a group are names of it anyway."""
    items: Positive = 6000
    """Size of the transfer set; the labelled items are among them, with their labels known."""
    label_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.01
    """Share of the transfer set whose labels are known."""
    label_draw: Literal["by class", "at random"] = "by class"
    """How that share is drawn: in proportion to the classes, or regardless of them, as by a person
    who does not know them yet. Each class has at least one."""
    labels_per_class: Positive | None = None
    """In place of ``label_share``: so many labels of each class of the task."""
    labelled: str | None = None
    """A CSV file of the labelled items, in place of a random draw; see ``fedsa suggest-labels``."""
    test_items: Annotated[int, Field(ge=0)] = 0
    """Size of the test set; 0 takes all that the data has."""

    @property
    def named(self) -> tuple[str, ...]:
        """Those of the data's classes that the task is about; empty for all."""
        return self.classes or tuple(name for group in self.groups.values() for name in group)

    def labels(self, classes: int) -> int:
        """Return how many labels are known where the task has that many classes."""
        if self.labels_per_class is not None:
            return self.labels_per_class * classes
        return round(self.label_share * self.items)


class StudentOptions(Options):
    """The student's trunk and the training budget that every method gets alike."""

    model: str = "conv"
    """Model name or ``module:factory``; called as ``factory(shape, outputs)``."""
    embedding: Positive = 64
    """Width of the trunk's output, on which the task's head sits."""
    steps: Positive = 1200
    """Optimiser steps of the whole run, all rounds and stages together."""
    batch: Positive = 128
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-3
    autocast: Literal["off", "bfloat16"] = "off"
    """Narrower numbers in the network while it is trained, by ``torch.autocast``; quicker where the
    processor computes with them."""


class SaliencyOptions(Options):
    """Where networks look: which map, how compact, on how many probe items."""

    method: str = "occlusion"
    """``occlusion``, ``rise``, ``grad-cam``, ``gradient-x-input``, ``smooth-grad``,
    ``integrated-gradients``, or a plug-in."""
    grid: Annotated[int, Field(ge=2, le=32)] = 7
    bits: Annotated[int, Field(ge=1, le=8)] = 4
    probe_items: Annotated[int, Field(ge=2)] = 64
    mode: Literal["score", "maps"] = "score"
    """``score``: maps stay at the teacher, one number leaves. ``maps``: compact maps leave."""
    shown: Annotated[int, Field(ge=0, le=64)] = 8
    """Probe items whose compact maps are asked for once, for the report."""


class SelectionOptions(Options):
    """From evidence to this round's teachers and weights."""

    selector: str = "evidence"
    policy: Literal["adaptive", "softmax", "top-k"] = "adaptive"
    k: Annotated[int, Field(ge=0)] = 0
    """Number of teachers for ``top-k`` and ``softmax``; 0 means half of the pool."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.5
    every: Positive = 1
    """Renew the selection every so many rounds, with the current student."""
    response_items: Annotated[int, Field(ge=2)] = 256
    """Unlabelled items asked of every teacher for response evidence, before selection."""


class FusionOptions(Options):
    """From the selected teachers' answers to a trained student."""

    fusion: str = "prototypes"
    prototypes: Positive = 64
    concentration: Annotated[float, Field(gt=0.0)] = 10.0
    """kappa: sharpness of the responsibilities, softmax(kappa phi.c)."""
    spread: Annotated[float, Field(ge=0.0)] = 0.1
    """Weight of the entropy of the mean responsibility, which keeps all prototypes in use."""
    competence: bool = True
    """Whether a teacher's answers count by how sure it is around the item (per prototype)."""
    names: bool = True
    """Whether what teachers call their classes counts, where these are names of the task's."""
    sight: bool = True
    """Whether the items themselves count beside the answers, where the labels show that they tell
    more, or all names are strange; with 20 labels a class and more that takes one training of
    another network, or five (:mod:`fedsa.fusion.witness`)."""
    spreading: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.8
    """How much of a belief about an item comes from items that are answered alike; more, and of
    items that look alike, where the look tells more than all answers or all names are strange."""
    adapt_share: Share = 0.75
    """Share of the steps that come after the task has joined, on end-to-end adaptation."""


class CertificateOptions(Options):
    """A bound on the student's error rate, from labels that are kept from the run."""

    labels: Annotated[int, Field(ge=0)] = 0
    """Further labels, of items drawn at random from the transfer set and taken out of it; 0 for no
    certificate."""
    delta: Annotated[float, Field(gt=0.0, le=0.25)] = 0.05
    """Chance that a bound does not hold."""


class FederationOptions(Options):
    """How teachers are reached and how long they may take."""

    timeout: Annotated[float, Field(gt=0.0)] = 300.0
    """Seconds without any reply after which the questions still open count as lost."""
    round_deadline: Annotated[float, Field(gt=0.0)] | None = None
    """Seconds to wait for the replies of one batch of questions (unset: as long as they come, see
    ``timeout``). Who is later is not asked again in the round; what it answers is kept for the
    next."""
    ahead: bool | None = None
    """Ask the selected about the items of later rounds too, in one message, where their budget
    allows it. Unset: only teachers with terms, as those of institutions have. The student is the
    same either way; what a teacher answered and is not selected for was asked in vain."""
    actors: Positive = 2
    """Processes that answer for the teachers in a simulation."""
    answer_form: Literal["uint8", "float16"] = "uint8"
    """How a distribution travels: one byte a class (on the square-root scale) or two."""


class TeacherOptions(Options):
    """A simulated institution: its model, its private data, and what is wrong with it, if so."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    model: str = "conv"
    data: str = "fashion-mnist-mini"
    """As for the task; ``noise`` makes images of pure noise with random labels."""
    task: str | None = None
    """A target of the data that it knows, of any kind; without, the class."""
    classes: tuple[str, ...] = Field(default=(), strict=False)
    classes_each: Annotated[int, Field(ge=0)] = 0
    """Draw this many classes for each copy instead of naming them."""
    items: Positive = 800
    """Size of the private shard; shards never overlap each other nor the task's data."""
    label_noise: Share = 0.0
    """Share of the private labels replaced by random ones."""
    epochs: Annotated[int, Field(ge=0)] = 15
    """0 leaves the teacher untrained."""
    file: str | None = None
    """A teacher's TOML file in place of all of the above; its id is this one."""
    relevant: bool = True
    """Ground truth for the report only; no strategy ever sees it."""
    lie: Literal["inflated-score", "flipped-labels", "nan", "constant", "random"] | None = None
    """What it says in place of its answers; see :mod:`fedsa.teacher.lies`."""
    policy: PolicySection | None = None
    """What its institution lets out, to whom (``local`` in a simulation), and how much of it;
    without, everything."""
    count: Positive = 1
    """Copies with their own shard and seed, named ``id-1``, ``id-2``, ..."""
