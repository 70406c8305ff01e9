"""Leave-one-task-out benchmark: held-out students, baselines and two protocols on the same data."""
