"""The plan: all that an experiment decides before anything is built. Imports `links`, `sites` and `cells`."""
