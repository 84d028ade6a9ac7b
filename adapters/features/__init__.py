"""Features of voltages from other libraries. May import couple."""
