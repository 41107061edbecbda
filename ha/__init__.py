"""Nodes, sites and who is primary. It knows nodes, not tonnes."""
