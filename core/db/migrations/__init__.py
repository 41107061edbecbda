"""Numbered migrations in raw SQL; each docstring begins with its reason."""
