"""What lies in an output folder, and who may write there."""
