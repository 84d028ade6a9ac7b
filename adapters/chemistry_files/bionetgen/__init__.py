"""Networks of BioNetGen: the text of .net files."""
