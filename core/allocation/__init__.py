"""Issue of allowances to accounts under a plan."""
