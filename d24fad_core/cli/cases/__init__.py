"""What commands do with a case: its files, its analysis, what is shown of it."""
