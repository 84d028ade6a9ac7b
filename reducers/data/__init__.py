"""What is learned from: trajectories, moments, stimuli."""
