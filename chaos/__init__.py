"""Drills: traffic, faults, histories and judges."""
