"""Prototype models: teachers and tasks as distributions over shared prototypes."""
