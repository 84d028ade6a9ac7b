"""What a run leaves: rows while it goes on, result files, the summary and what each cell took."""
