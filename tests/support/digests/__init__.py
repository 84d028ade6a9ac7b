"""Digests of results, to show that a change of the code changes no bit: `python -m support.digests`."""
