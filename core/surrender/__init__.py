"""Handing units in against verified emissions."""
