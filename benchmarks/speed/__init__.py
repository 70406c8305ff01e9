"""The parts of `python -m benchmarks`: the network, peers, whole volumes, a prior, the server."""
