"""What the user sees: the sections of the panel and how they work together."""
