"""Forecasts over HTTP."""
