"""Commands of the registry's operators: each goes through the HTTP API as somebody, with that somebody's rights."""
