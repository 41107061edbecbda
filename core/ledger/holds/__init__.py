"""Amounts set aside until something outside is decided."""
