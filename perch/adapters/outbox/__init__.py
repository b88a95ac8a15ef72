"""An agent's outbox: events that nobody has acknowledged yet, on its own disk."""
