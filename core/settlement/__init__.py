"""Clearing and delivery of a day's trades."""
