"""The suite. A package only so that `from tests.… import` cannot meet somebody else's `tests`."""
