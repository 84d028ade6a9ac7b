"""All models of patterns by their names, and their files."""
