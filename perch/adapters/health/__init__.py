"""How a program does: written beside its files, and for Prometheus."""
