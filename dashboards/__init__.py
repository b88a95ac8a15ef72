"""Grafana as code: functions that return dicts, and the committed files made of them."""
