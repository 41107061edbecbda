"""One whole trading day with two faults in the middle, on a real cluster, and a verdict."""
