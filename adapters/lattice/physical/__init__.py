"""The lattice in units: rates calibrated, molecules that hop, meet and bind. Imports `common`."""
