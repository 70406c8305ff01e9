"""Continuing meta-training on confirmed normals, in a process of its own beside the server."""
