"""What state an account is in, who changes it, and who must know before."""
