"""Metrics, baselines and evaluation protocols."""
