"""The electrical model before it steps: its sections by name, spines, cells of a network. No other room of `wiring`."""
