"""Accounts by the file: read as CSV, judged row by row, opened as one."""
