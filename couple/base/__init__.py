"""Errors, units, plug-ins, the base of all input blocks, TOML, versions and array types. Imports nothing of ours."""
