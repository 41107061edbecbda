"""Puts the system on machines: the one command, the playground, configuration of the parts we do not write."""
