"""Files: records, results, checkpoints, run folders and their locks. Imports `base`, `components`, `parallel`."""
