"""The layers of an experiment (includes, files, tables, what is set) in one. Imports chemistry and base."""
