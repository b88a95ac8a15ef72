"""Copies of what a server keeps, and the way back."""
