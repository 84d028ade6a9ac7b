"""Laws of motion of fields and how they are integrated. Imports `density` and `dbd.laws`."""
