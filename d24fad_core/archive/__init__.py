"""Analysing a whole archive: many studies, many processes, one table."""

from d24fad_core.waiting_threads import spin_briefly

spin_briefly()  # here, since a worker on another machine imports this before PyTorch
