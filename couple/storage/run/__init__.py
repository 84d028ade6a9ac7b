"""The folder of a run: found or made, its checkpoints over ranks, and who watches it."""
