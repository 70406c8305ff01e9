"""Scores of normal patients, and what a case score means beside them."""
