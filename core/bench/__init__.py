"""What the benchmarks measure inside the registry, each in a process of its own: only core touches core's SQL."""
