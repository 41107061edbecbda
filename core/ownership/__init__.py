"""Changes of ownership outside the market: voluntary cancellation, inheritance, merger, split."""
