"""What all trainings share: file, folder, resuming, figures, kinds by entry points. Imports `data` for its types."""
