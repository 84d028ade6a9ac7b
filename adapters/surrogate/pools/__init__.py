"""A network as pools of molecules that one concentration drives, and the tables of their propagators."""
