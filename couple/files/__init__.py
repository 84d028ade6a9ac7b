"""Files on the disk, written whole and sealed, checked before anything parses them. Imports `base`."""
