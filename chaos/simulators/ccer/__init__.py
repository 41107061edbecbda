"""The offset registry (CCER) as the registry meets it: freezes, cancellations, releases, by books of its own."""
