"""The first accounting: balances moved by immutable transfers."""
