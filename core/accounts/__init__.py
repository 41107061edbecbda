"""Registry accounts: numbers, kinds, states."""
