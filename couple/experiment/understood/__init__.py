"""What an experiment that was read consists of: its files, and its text as understood. Imports the blocks."""
