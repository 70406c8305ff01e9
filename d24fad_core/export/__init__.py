"""Results as files: NIfTI, JSON report, pictures."""
