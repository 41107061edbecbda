"""Ledger against units: every difference is found, located, stops its account, and is closed by two people."""
