"""What an account owes for a year: one row, its states, its history, its deadline."""
