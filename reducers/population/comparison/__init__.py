"""Models of patterns side by side, on windows that they were not fitted to: `couple population`."""
