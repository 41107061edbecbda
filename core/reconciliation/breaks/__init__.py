"""Breaks that a comparison found, and the runs that found them."""
