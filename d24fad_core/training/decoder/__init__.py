"""Teaching the support decoder: episodes of normal people with planted anomalies."""
