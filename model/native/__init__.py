"""Decode steps in C++: built with the machine's own compiler at first use, checked against plain torch."""
