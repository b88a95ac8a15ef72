"""Watches and their webhooks."""
