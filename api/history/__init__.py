"""The past over HTTP."""
