"""The IPython front: cells, magics, messages."""
