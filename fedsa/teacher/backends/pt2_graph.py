"""What the graph of an exported program may say, so that reading it runs no code of its own.

PyTorch makes Python of the graph's texts: it evaluates symbolic sizes and guards, looks operators
up by their dotted names, and writes the function that runs with the names of nodes and parameters
in it. So each text must have the plain form that ``torch.export`` gives it in its place.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch.utils._pytree import tree_structure, treespec_dumps


class NotPlain(Exception):
    """Part of a program is not plain data; the message says which."""


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | re.DOTALL)


def _made_of(*tokens: str) -> re.Pattern[str]:
    return _form(f"(?:{'|'.join(tokens)})+")


_NAME = _form(r"(?:[A-Za-z_]\w*)?")
_PATH = _form(r"(?:(?!__)[\w @+-]+(?:\.(?!__)[\w @+-]+)*)?")
_NUMBERS = (r"\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", r"[ (),*/%+-]|[<>=!]=|[<>]")
_FUNCTIONS = (
    "Symbol|Integer|Rational|Float|Add|Mul|Pow|Max|Min|Abs|And|Or|Not|Equality|Unequality"
    "|GreaterThan|LessThan|StrictGreaterThan|StrictLessThan|FloorDiv|CeilDiv|CleanDiv"
    "|ModularIndexing|Where|PythonMod|Mod|CeilToInt|FloorToInt|LShift|RShift|PowByNatural"
    "|FloatPow|FloatTrueDiv|IntTrueDiv|IsNonOverlappingAndDenseIndicator|TruncToFloat|TruncToInt"
    "|RoundToInt|RoundDecimal|ToFloat|Identity|true|false"
)
_ASSUMPTIONS = r"(?:positive|nonnegative|negative|integer|real|finite)=(?:True|False)\b"

# What stands where; any other text is a name.
_FORMS = {
    "expr_str": _made_of(
        rf"\b(?:{_FUNCTIONS})\b",
        r"(?<=Symbol\()'[A-Za-z]\w*'",
        r"(?<=Float\()'-?[\d.]+(?:e[+-]?\d+)?'",
        _ASSUMPTIONS,
        r"\bprecision=(?=\d)",
        *_NUMBERS,
    ),
    "guards_code": _made_of(
        r"\bL\['[A-Za-z_]\w*'\](?:\[\d+\])?\.(?:size|stride)\(\)\[\d+\]",
        r"\b(?:max|min|Max|Min|and|or|not)\b",
        *_NUMBERS,
    ),
    "target": _form(
        r"torch\.ops\.aten\.\w+\.\w+"
        r"|torch\.ops\.higher_order\.wrap_with_(?:set_grad_enabled|autocast)"
        r"|torch\.sym_(?:not|int|float|ite|max|min|sqrt)|math\.(?:trunc|ceil|floor|sqrt)"
        r"|_operator\.(?:eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|truediv|mod|pow|and_|or_"
        r"|lshift|rshift)"
    ),
    "in_spec": _form(re.escape(treespec_dumps(tree_structure(((0,), {}))))),  # of one tensor
    "out_spec": _form(re.escape(treespec_dumps(tree_structure(0)))),
    "as_string": _form(".*"),  # an operator's option: the program has it in quotes
    "as_strings": _form(".*"),
    "as_float": _form("-?Infinity|NaN"),
    "as_floats": _form("-?Infinity|NaN"),
    **dict.fromkeys(
        ("path", "fqn", "parameter_name", "buffer_name", "tensor_constant_name", "torch_version"),
        _PATH,
    ),
}
_NOTES = ("metadata", "treespec_namedtuple_fields")  # stack traces and the like; nothing needs them
_BY_NAME = {  # their keys are names of the program's own
    *("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values"),
    *("range_constraints", "opset_version"),
}
_REFUSED = ("as_operator", "as_custom_obj", "as_string_to_argument", "custom_obj", "constant_input")


def plain(value: Any, place: str = "") -> Any:
    """Return part of a program's JSON without its notes.

    Parameters
    ----------
    value : Any
        The part.
    place : str
        The key that it stands under.

    Raises
    ------
    NotPlain
        If a text in it has not the form of its place.
    """
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, list):
        return [plain(one, place) for one in value]
    if not isinstance(value, dict):
        return value
    if place in _BY_NAME:
        return {_text(name, "name"): plain(one) for name, one in value.items()}
    if "nodes" in value:  # a graph: a text among its inputs would become part of a guard
        kinds = {kind for one in value["inputs"] for kind in one}
        if not kinds <= {"as_tensor", "as_sym_int"}:
            raise NotPlain(f"an input that is {', '.join(sorted(kinds))}")
    for key in _REFUSED:
        if key in value:
            raise NotPlain(f"a part that is {key}")
    return {key: {} if key in _NOTES else plain(one, key) for key, one in value.items()}


def _text(value: str, place: str) -> str:
    if _FORMS.get(place, _NAME).fullmatch(value) is None:
        raise NotPlain(f"{place or 'a text'} is {value[:80]!r}")
    if place == "target" and value.startswith("torch.ops.aten."):
        _, _, _, packet, overload = value.split(".")
        operator = getattr(getattr(torch.ops.aten, packet, None), overload, None)
        if not isinstance(operator, torch._ops.OpOverload) or any(
            argument.name == "filename" for argument in operator._schema.arguments
        ):
            raise NotPlain(f"target is {value!r}")
    return value
