"""Who comes in, as whom, and how often."""
