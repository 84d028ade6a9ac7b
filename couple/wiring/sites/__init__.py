"""Where the sites are, what they hold at the start, and the engine that each asks for. Imports `cells`."""
