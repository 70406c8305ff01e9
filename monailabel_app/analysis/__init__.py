"""Analyses of studies: parameters, runs, results and the forms they are sent in."""
