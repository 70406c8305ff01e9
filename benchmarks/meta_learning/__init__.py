"""Learning the comparison from anomalies pasted into normal images, an experiment."""
