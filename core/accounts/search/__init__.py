"""Finds accounts among very many, by part of a name, credit code or number."""
