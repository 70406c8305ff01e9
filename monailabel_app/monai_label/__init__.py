"""What MONAI Label asks of an app: the app class, its tasks, strategies and scoring methods."""
