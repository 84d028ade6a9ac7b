"""Chemistry as fields on finite elements: `pde` (deterministic) and `spde` (with thermal and reaction noise)."""
