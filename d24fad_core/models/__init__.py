"""Trained models on disk: checkpoints with their cards, and import of official ones."""
