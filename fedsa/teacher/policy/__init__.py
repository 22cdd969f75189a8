"""What an institution lets out, to whom, how much of it, and the proof of what it was."""

from fedsa.policy import PolicySection

__all__ = ["PolicySection"]
