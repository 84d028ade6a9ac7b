"""Laws of motion dθ/dt = F(θ, drive; u) and their derivatives. Imports `energy`."""
