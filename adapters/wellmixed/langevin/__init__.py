"""Engine `langevin`: the chemical Langevin equation."""
