"""What one account held and did on one market day, for its owner's files."""
