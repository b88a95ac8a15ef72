"""Breaks a running Perch on purpose and counts: what was accepted, what is stored, what was shown."""
