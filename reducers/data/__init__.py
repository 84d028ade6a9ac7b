"""What is learned from: trajectories, moments, stimuli, the table [data]. Imports `couple` only."""
