"""What both modes of the lattice share: domains, masks, membranes, options. Imports nothing of the other rooms."""
