"""Figures, each a ratio to a floor or a peer taken in the same run: `python -m benchmarks`."""
