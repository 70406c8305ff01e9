"""Restricting studies to the brain, the body, or what a mask file says."""
