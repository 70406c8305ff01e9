"""The parts of the app, each importable without a server."""
