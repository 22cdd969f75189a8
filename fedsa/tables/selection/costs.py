"""What an estimate costs each teacher: items that it is asked about, and passes that it makes."""

from __future__ import annotations

from fedsa.data import resolve
from fedsa.saliency import METHODS, QUERY_ONLY
from fedsa.saliency.perturbation import passes
from fedsa.scenario import Scenario
from fedsa.selection.ranked import WITHOUT_LABELS

PASSES = {"grad-cam": 3, "gradient-x-input": 3, "smooth-grad": 17, "integrated-gradients": 33}
"""Passes for one map: an answer, then a forward and a backward pass for each noisy copy or point of
the line."""


def cost(estimator: str, scenario: Scenario) -> tuple[int, int]:
    """Return the queries and the passes of an estimate, for each teacher.

    Parameters
    ----------
    estimator : str
        A row of the table.
    scenario : Scenario
        Whose labels, response items and probe are meant.
    """
    data = resolve(scenario.task.data)
    labels = scenario.task.labels(len(scenario.task.named or data.classes))
    response = labels + scenario.selection.response_items
    shape = data.inputs.shape
    probe, spatial = scenario.saliency.probe_items, shape[2:] if len(shape) > 2 else shape[1:]

    def look(method: str) -> int:
        return probe * (passes(method, spatial) if method in QUERY_ONLY else PASSES[method])

    for method in METHODS.builtins:
        if method in estimator:
            return probe, look(method)
    if estimator in ("random", "accuracy on its own items"):
        return 0, 0
    if estimator == "evidence without looks":
        return response, response
    if estimator == "default" or estimator.startswith("evidence"):
        return response + probe, response + look(scenario.saliency.method)
    if estimator in WITHOUT_LABELS:
        return response, response
    return labels, labels
