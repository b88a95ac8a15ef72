"""The projection into the history file."""
