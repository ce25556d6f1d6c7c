"""Faces: values drawn as text, pictures and widgets. Nothing here runs a step."""
