"""How well evidence ranks teachers: the true gain of each, measured, beside what was estimated.

Here both wings are at hand in one process, as in no federation: it is a yardstick, nothing else.
"""
