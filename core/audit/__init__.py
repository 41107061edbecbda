"""Who did what to whom, kept for ever."""
