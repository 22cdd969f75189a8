"""For all tests: the cores may be shared, so no property test fails for being slow."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
