"""The second accounting: which serial numbers an account holds. It never reads the ledger."""
