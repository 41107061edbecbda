"""What the next allocations of an account are less by."""
