"""The command line: commands made from the table of verbs, and what they need besides."""
