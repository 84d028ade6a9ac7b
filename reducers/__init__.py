"""Reduced models of chemistry, learned from trajectories of the fine engines."""
