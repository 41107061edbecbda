"""Rules of the market as effective-dated data that two people change."""
