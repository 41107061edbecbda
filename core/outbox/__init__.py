"""Messages written in a business transaction, delivered after it."""
