"""Tables of few-shot episodes: cells are measured in one process."""
