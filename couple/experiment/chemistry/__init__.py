"""[chemistry]: species, reactions, compartments, rates by the voltage. Of the experiment it imports `merge` alone."""
