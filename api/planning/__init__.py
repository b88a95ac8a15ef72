"""Planning over HTTP."""
