"""What is made of results: comparisons of runs, maps of regimes, figures."""
