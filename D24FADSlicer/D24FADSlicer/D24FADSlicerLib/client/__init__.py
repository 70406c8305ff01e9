"""Calls of the D24FAD server, by the standard library alone; knows neither Qt nor Slicer."""
