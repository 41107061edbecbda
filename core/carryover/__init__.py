"""Carry-over (结转): units of an earlier vintage cancelled, and as many issued in a later one, up to a formula."""
