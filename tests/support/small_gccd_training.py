"""A training of CaMKII in seconds, of the same parts as the whole one; EXPERIMENT stands for a path."""

SHORT = """
experiment = "EXPERIMENT"
[train]
name = "short"
allowed = 1e6
[gccd]
ablation = false
[refine]
first = 6
iterations = 8
[[protocol]]
name = "fast"
duration = "40 ms"
exchange = "0.1 ms"
every = "0.1 ms"
runs = 6
regress = "all"
stimuli = [
  { kind = "step", count = 5, peak = "1 40 uM", duration = "5 30 ms", delay = "1 3 ms" },
  { kind = "spikes", count = 2, peak = "2 15 uM", rate = "50 200 /s", decay = "5 20 ms", delay = "1 3 ms" },
]
[[protocol]]
name = "slow"
duration = "600 ms"
exchange = "1 ms"
every = "10 ms"
runs = 4
regress = "classes"
stimuli = [
  { kind = "step", count = 4, peak = "1 20 uM", duration = "50 400 ms", delay = "10 50 ms" },
  { kind = "theta", count = 2, peak = "3 6 uM", rate = "4 8 /s", delay = "10 50 ms", test = true },
]
[[validation]]
name = "mean"
duration = "40 ms"
exchange = "0.1 ms"
every = "1 ms"
runs = 2
against = 4
site = { engine = "ode" }
stimuli = [{ kind = "step", peak = "20 uM", duration = "15 ms", delay = "2 ms" }]
"""
