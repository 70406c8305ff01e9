"""From files to slices: studies, volumes, image folders, episodes, simulated cohorts."""
