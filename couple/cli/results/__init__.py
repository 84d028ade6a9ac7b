"""Commands on what runs have left: show, compare, features, plot, report, export, repack."""
