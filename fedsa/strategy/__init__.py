"""Amalgamation: the round, as a Flower Strategy, composed of a selector and a fusion."""

from fedsa.strategy.amalgamation import AllTeachersGone, Amalgamation
from fedsa.strategy.exchange import Exchange
from fedsa.strategy.wiring import Wiring

__all__ = ["AllTeachersGone", "Amalgamation", "Exchange", "Wiring"]
