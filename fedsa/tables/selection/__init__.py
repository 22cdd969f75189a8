"""The table of selection: how well evidence ranks teachers, and what students gain by it."""
