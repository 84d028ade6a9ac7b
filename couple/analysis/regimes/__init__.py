"""One chemistry at every accuracy: what each engine says, how far apart they are, and what they cost."""
