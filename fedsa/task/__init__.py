"""What is predicted, with its loss and its metric: one kind a file, and several at once."""

from fedsa.task.base import Head, Task
from fedsa.task.classification import Classification
from fedsa.task.several import Several
from fedsa.task.values import MultiLabel, Regression, Segmentation

__all__ = [
    "Classification",
    "Head",
    "MultiLabel",
    "Regression",
    "Segmentation",
    "Several",
    "Task",
]
