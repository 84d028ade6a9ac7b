"""The user's model, however it is written: Python, HOC, SWC, networks, spines."""
