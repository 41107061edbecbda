"""Which authority answers for which firm, and what it may see."""
