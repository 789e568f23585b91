"""Our networks, in PyTorch alone."""

import os

# Read once, when torch loads its OpenMP: threads that wait for work give the core back after some microseconds.
# By default they spin for milliseconds, on the core that a native decode step needs: 10.7 instead of 5.7 ms a step.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
