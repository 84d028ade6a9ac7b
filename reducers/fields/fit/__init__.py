"""The law of fields from particles: maximum likelihood, Gauss-Newton. Imports `density` and `laws`."""
