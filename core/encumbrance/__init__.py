"""Pledges and judicial freezes: what they hold, in which order, and how it ends."""
