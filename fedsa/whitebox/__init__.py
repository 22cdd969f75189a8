"""Methods that see teachers' weights and private data: for comparison, in simulation only."""
