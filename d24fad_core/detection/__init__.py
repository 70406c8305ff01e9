"""From a volume to an anomaly map, calibrated scores and findings."""
