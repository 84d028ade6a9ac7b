"""Reduced models that a concentration drives: what may stand in a site for some of its species (engine `surrogate`)."""
