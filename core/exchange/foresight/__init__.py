"""What accepted trades would be under other rules."""
