"""Verified emissions, and what follows from them: how much a firm owes for a year, and whether it met it."""
