"""Hostile inputs by seed, for everything that reads what others wrote: `python -m tests.fuzz --inputs N --seed S`."""
