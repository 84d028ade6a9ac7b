"""HTML for notebooks and reports: tables, the ledger. Imports nothing of ours."""
