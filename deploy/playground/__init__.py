"""A whole registry as real processes on one machine."""
