"""How good a law is: scores, finer models, mean field. Imports `law`, `data` and `fit`."""
