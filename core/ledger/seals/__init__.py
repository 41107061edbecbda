"""Seals over the chain at the end of each market day."""
