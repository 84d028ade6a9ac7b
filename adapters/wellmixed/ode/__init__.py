"""Engine `ode`: mass action by a Rosenbrock method with sparse elimination."""
