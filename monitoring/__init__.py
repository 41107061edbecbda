"""Objectives, probes and verdicts: what core emits is judged here."""
