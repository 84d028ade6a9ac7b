"""Energy models: distributions p(state; θ) whose parameters move in time. Imports `data`."""
