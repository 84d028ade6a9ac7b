"""Chemistry written for other tools: SBML, BioNetGen (.net, .bngl), Antimony. May import `couple`."""
