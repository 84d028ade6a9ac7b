"""The rates from data: lasso, L-BFGS on free runs, terms that return. Imports `law` and `data`."""
