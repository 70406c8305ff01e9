"""The support set: matching slices of normal studies to a query, and their cached features."""
