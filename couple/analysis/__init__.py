"""What is made of results: comparisons of runs, maps of regimes, figures. Imports `ensemble` and what is below it."""
