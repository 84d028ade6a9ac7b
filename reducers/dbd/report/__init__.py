"""What a learned model does and how good it is. Imports `model` and what it imports."""
