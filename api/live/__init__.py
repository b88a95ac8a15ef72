"""What holds now, over HTTP."""
