"""fedsa: train a student for a new task from private teachers' answers alone."""

__version__ = "0.1.0"
