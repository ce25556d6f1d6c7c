"""Other systems and file formats."""
