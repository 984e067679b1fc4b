"""The engine: marks are worked off by ``drain(portal)`` – pull, decide, push. See ``drain.py``."""
