"""The journal file: every event that was accepted, once, in the order of its coming."""
