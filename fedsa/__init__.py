"""fedsa: train a student from private teachers' answers alone (federated selective amalgamation)."""

__version__ = "0.1.0"
