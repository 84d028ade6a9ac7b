"""Statistical models of binary patterns behind one interface: `PatternModel`."""
