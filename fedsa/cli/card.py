"""A teacher's card as a table for people."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.messages import Card, Limit, Terms

_OPEN = ("predict", "saliency", "score")


def show(console: Console, card: Card) -> None:
    """Print what the outside sees, the terms last."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    classes = "names not told" if card.classes is None else ", ".join(card.classes)
    lines = {
        "id": card.id,
        "task": f"{card.task}, {card.outputs} outputs ({classes})",
        "input": " x ".join(map(str, card.shape)),
        "architecture": card.architecture,
        "saliency": f"{', '.join(card.methods)}; at most {card.grid} x {card.grid} cells of "
        f"{card.bits} bits",
        "gradients": "yes" if card.gradients else "no: maps are made by perturbation",
        "licence": card.licence,
        "fingerprint": card.fingerprint,
    }
    for name, text in lines.items():
        table.add_row(name, escape(text))
    if card.terms is not None:
        for name, text in _terms(card.terms).items():
            table.add_row(name, escape(text))
    console.print(table)


def _terms(terms: Terms) -> dict[str, str]:
    limits: dict[str, Limit] = {limit.call: limit for limit in terms.limits}
    lines = {}
    for call in _OPEN:
        limit = limits.get(call)
        lines[call] = (
            "shut"
            if limit is None
            else f"{limit.left} of {limit.items} items left ({_window(terms.window)})"
        )
    if terms.costs:
        lines["charged"] = ", ".join(f"{cost.items} a map by {cost.method}" for cost in terms.costs)
    lines["sets"] = "any" if terms.sets == "any" else "approved ones only"
    told = "all classes" if terms.top_k == 0 else f"the top {terms.top_k} classes"
    lines["answers"] = f"{told}, {terms.bits} bits each, temperature {terms.temperature:g}"
    lines["noise"] = (
        "none, and no guarantee of privacy"
        if terms.sigma == 0
        else f"sigma {terms.sigma:g}: epsilon {terms.epsilon:.3g} at delta {terms.delta:g} for "
        "all that the limits allow"
    )
    return lines


def _window(window: str) -> str:
    return "in all" if window == "ever" else f"this {window}"
