"""The app's own HTTP routes, placed before those of MONAI Label."""
