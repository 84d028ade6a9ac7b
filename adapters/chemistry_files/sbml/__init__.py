"""SBML, levels 1 to 3, through libsbml."""
