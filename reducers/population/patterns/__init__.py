"""Binary patterns, neurons by windows, from spikes and records."""
