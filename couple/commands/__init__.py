"""Commands that are more than a few lines; `couple.cli` registers them."""
