"""The tables of BENCHMARK.md on image tasks: variants of methods and poolings, the published
protocol beside the corrected one, choices without the task, paired differences and pictures."""
