"""What became of serial numbers: every change of hands, holdings of an earlier day, and proofs over both."""
