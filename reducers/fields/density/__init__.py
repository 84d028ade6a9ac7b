"""Densities of particles at single times: elements, loads, estimates, their smoothness. Imports `data`."""
