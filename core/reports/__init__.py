"""The daily clearing report."""
