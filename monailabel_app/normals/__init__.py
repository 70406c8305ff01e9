"""Support sets of normal studies and their quality."""
