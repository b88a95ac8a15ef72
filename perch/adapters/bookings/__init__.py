"""Bookings from calendars."""
