"""Which sites of a molecule depend on each other: cliques that are chosen from data; imports dbd.energy."""
