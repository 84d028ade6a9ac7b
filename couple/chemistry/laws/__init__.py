"""Rate laws that are no mass action: expressions, their units and derivatives, and tapes for kernels. Imports base."""
