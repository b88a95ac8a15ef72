"""The history file: what the collector writes of the past, and what answers are read from."""
