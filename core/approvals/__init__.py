"""Four eyes: proposals and the people who decide them."""
