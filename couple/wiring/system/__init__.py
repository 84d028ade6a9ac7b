"""From the plan to connected components on one block of memory. Imports `plan` and what it imports."""
