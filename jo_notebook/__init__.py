"""Turn a Jupyter notebook into a pipeline that remembers."""
