"""Volumes, their intensities and their slices."""
