"""Perch: honest desk and room occupancy for networks of small coworking spaces."""

__version__ = "0.1.0"
