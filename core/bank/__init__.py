"""Settlement banks: messages and cash."""
