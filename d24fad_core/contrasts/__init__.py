"""Several contrasts of one person: laid on each other, compared each by itself, fused."""
