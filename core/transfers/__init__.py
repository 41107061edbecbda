"""Free transfers between owners: one request, both accountings, at once."""
