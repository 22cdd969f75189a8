"""Recipes: which selector with which fusion; the ingredients live in the library."""

from fedsa.registry import Registry

STRATEGIES = Registry(
    "strategy",
    {
        "best_single": "strategies.best_single:strategy",
        "bplus": "strategies.bplus:strategy",
        "by_name": "strategies.by_name:strategy",
        "fedmd": "strategies.fedmd:strategy",
        "fedsa": "strategies.fedsa:strategy",
        "hoang": "strategies.hoang:strategy",
        "random": "strategies.random:strategy",
        "stacking": "strategies.stacking:strategy",
        "uniform": "strategies.uniform:strategy",
        "unselected": "strategies.unselected:strategy",
    },
    ("problem", "scenario", "wiring"),
)
