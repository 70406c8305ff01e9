"""Episodic training on MONAI engines."""
