"""Steps that are Python objects: classes, functions, scripts."""
