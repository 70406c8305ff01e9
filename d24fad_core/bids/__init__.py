"""Datasets in the Brain Imaging Data Structure: scans found by name, results named by the standard.

The names, sidecars and participants.tsv are read here in a few lines. pybids would bring pandas,
SQLAlchemy and eight more packages, and index all of a dataset before the first scan is found.
"""
