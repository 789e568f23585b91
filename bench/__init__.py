"""Benchmarks: ours and what a user would pick instead, in alternating runs (`footnote bench`)."""
