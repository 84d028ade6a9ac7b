"""What each accuracy of a site leaves out, and what it costs, learned from runs; imports data and training."""
