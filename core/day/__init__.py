"""The market day's state machine."""
