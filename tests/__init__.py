"""Tests of Perch; the real servers that they run against come from `tests/parts.py`."""
