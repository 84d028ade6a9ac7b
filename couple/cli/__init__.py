"""The command line. Imports everything in `couple`; nothing imports it."""
