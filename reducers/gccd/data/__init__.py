"""The training file of CaMKII and the runs it names, as numbers of molecules by state. Imports `law`."""
