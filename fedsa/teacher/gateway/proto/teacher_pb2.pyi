from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DTYPE_UNSPECIFIED: _ClassVar[Dtype]
    DTYPE_UINT8: _ClassVar[Dtype]
    DTYPE_FLOAT16: _ClassVar[Dtype]
    DTYPE_FLOAT32: _ClassVar[Dtype]

class AnswerKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANSWER_KIND_DISTRIBUTIONS: _ClassVar[AnswerKind]
    ANSWER_KIND_VALUES: _ClassVar[AnswerKind]
DTYPE_UNSPECIFIED: Dtype
DTYPE_UINT8: Dtype
DTYPE_FLOAT16: Dtype
DTYPE_FLOAT32: Dtype
ANSWER_KIND_DISTRIBUTIONS: AnswerKind
ANSWER_KIND_VALUES: AnswerKind

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("host", "card")
    HOST_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    host: Host
    card: Card
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ..., card: _Optional[_Union[Card, _Mapping]] = ...) -> None: ...

class Host(_message.Message):
    __slots__ = ("software", "clock")
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    software: str
    clock: float
    def __init__(self, software: _Optional[str] = ..., clock: _Optional[float] = ...) -> None: ...

class Card(_message.Message):
    __slots__ = ("id", "task", "outputs", "classes", "shape", "architecture", "gradients", "methods", "grid", "bits", "fingerprint", "licence", "terms")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: str
    outputs: int
    classes: Names
    shape: _containers.RepeatedScalarFieldContainer[int]
    architecture: str
    gradients: bool
    methods: _containers.RepeatedScalarFieldContainer[str]
    grid: int
    bits: int
    fingerprint: str
    licence: str
    terms: Terms
    def __init__(self, id: _Optional[str] = ..., task: _Optional[str] = ..., outputs: _Optional[int] = ..., classes: _Optional[_Union[Names, _Mapping]] = ..., shape: _Optional[_Iterable[int]] = ..., architecture: _Optional[str] = ..., gradients: _Optional[bool] = ..., methods: _Optional[_Iterable[str]] = ..., grid: _Optional[int] = ..., bits: _Optional[int] = ..., fingerprint: _Optional[str] = ..., licence: _Optional[str] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("limits", "window", "temperature", "top_k", "bits", "sets", "sigma", "epsilon", "delta", "costs")
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.RepeatedCompositeFieldContainer[Limit]
    window: str
    temperature: float
    top_k: int
    bits: int
    sets: str
    sigma: float
    epsilon: float
    delta: float
    costs: _containers.RepeatedCompositeFieldContainer[Cost]
    def __init__(self, limits: _Optional[_Iterable[_Union[Limit, _Mapping]]] = ..., window: _Optional[str] = ..., temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., bits: _Optional[int] = ..., sets: _Optional[str] = ..., sigma: _Optional[float] = ..., epsilon: _Optional[float] = ..., delta: _Optional[float] = ..., costs: _Optional[_Iterable[_Union[Cost, _Mapping]]] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("method", "items")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    method: str
    items: int
    def __init__(self, method: _Optional[str] = ..., items: _Optional[int] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("call", "items", "left")
    CALL_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    call: str
    items: int
    left: int
    def __init__(self, call: _Optional[str] = ..., items: _Optional[int] = ..., left: _Optional[int] = ...) -> None: ...

class OfferRequest(_message.Message):
    __slots__ = ("teacher", "set_hash", "dtype", "start", "chunk", "shape")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SET_HASH_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    set_hash: str
    dtype: Dtype
    start: int
    chunk: bytes
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, teacher: _Optional[str] = ..., set_hash: _Optional[str] = ..., dtype: _Optional[_Union[Dtype, str]] = ..., start: _Optional[int] = ..., chunk: _Optional[bytes] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class OfferReply(_message.Message):
    __slots__ = ("status", "held")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[OfferReply.Status]
        STATUS_HELD: _ClassVar[OfferReply.Status]
        STATUS_MORE: _ClassVar[OfferReply.Status]
        STATUS_REFUSED: _ClassVar[OfferReply.Status]
    STATUS_UNSPECIFIED: OfferReply.Status
    STATUS_HELD: OfferReply.Status
    STATUS_MORE: OfferReply.Status
    STATUS_REFUSED: OfferReply.Status
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    status: OfferReply.Status
    held: int
    def __init__(self, status: _Optional[_Union[OfferReply.Status, str]] = ..., held: _Optional[int] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("teacher", "set_hash", "indices", "form")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SET_HASH_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    set_hash: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    form: Dtype
    def __init__(self, teacher: _Optional[str] = ..., set_hash: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ..., form: _Optional[_Union[Dtype, str]] = ...) -> None: ...

class PredictReply(_message.Message):
    __slots__ = ("form", "outputs", "values", "kind")
    FORM_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    form: Dtype
    outputs: int
    values: bytes
    kind: AnswerKind
    def __init__(self, form: _Optional[_Union[Dtype, str]] = ..., outputs: _Optional[int] = ..., values: _Optional[bytes] = ..., kind: _Optional[_Union[AnswerKind, str]] = ...) -> None: ...

class SaliencyRequest(_message.Message):
    __slots__ = ("teacher", "set_hash", "indices", "method", "grid", "bits")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SET_HASH_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    set_hash: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    method: str
    grid: int
    bits: int
    def __init__(self, teacher: _Optional[str] = ..., set_hash: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ..., method: _Optional[str] = ..., grid: _Optional[int] = ..., bits: _Optional[int] = ...) -> None: ...

class SaliencyReply(_message.Message):
    __slots__ = ("maps",)
    MAPS_FIELD_NUMBER: _ClassVar[int]
    maps: Maps
    def __init__(self, maps: _Optional[_Union[Maps, _Mapping]] = ...) -> None: ...

class Maps(_message.Message):
    __slots__ = ("bits", "cells", "items", "packed")
    BITS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    bits: int
    cells: int
    items: int
    packed: bytes
    def __init__(self, bits: _Optional[int] = ..., cells: _Optional[int] = ..., items: _Optional[int] = ..., packed: _Optional[bytes] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("teacher", "set_hash", "indices", "method", "maps")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SET_HASH_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MAPS_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    set_hash: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    method: str
    maps: Maps
    def __init__(self, teacher: _Optional[str] = ..., set_hash: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ..., method: _Optional[str] = ..., maps: _Optional[_Union[Maps, _Mapping]] = ...) -> None: ...

class ScoreReply(_message.Message):
    __slots__ = ("closeness",)
    CLOSENESS_FIELD_NUMBER: _ClassVar[int]
    closeness: float
    def __init__(self, closeness: _Optional[float] = ...) -> None: ...
