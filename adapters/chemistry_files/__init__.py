"""Chemistry in other people's formats: BioNetGen `.net` files and SBML, read into the tables of `[chemistry]`."""
