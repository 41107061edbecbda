"""Market days as published: read from a file, solved into trades that give the same figures, dealt to accounts."""
