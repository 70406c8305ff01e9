"""Analysing a whole archive: many studies, many processes, one table."""
