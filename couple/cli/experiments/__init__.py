"""Commands on an experiment file: check, explain, schema, init, examples."""
