"""Our networks, in PyTorch alone."""

import os

# Read once, when torch loads its OpenMP: threads that wait for work give the core back after microseconds.
# By default they spin for milliseconds, on the core that a native decode step needs: 10.7 instead of 5.7 ms.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
