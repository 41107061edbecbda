"""The one business clock that rules read."""
