"""Benchmarks: ours and what a user would pick instead, in alternating runs (`footnote bench`)."""

import model  # noqa: F401 - before torch is: it sets what torch's OpenMP reads when it is loaded
