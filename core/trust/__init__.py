"""Which accounts an account trusts, and what it has limited itself to."""
