"""The measurement on real people: normals of one scanner, people left untouched, people with
lesions planted by two generators, and real lesions."""
