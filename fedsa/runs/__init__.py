"""A run's folder: config, events, answers, checkpoints, summary, report."""
