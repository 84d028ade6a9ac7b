# %% [markdown]
# A spine from Python: run it, step it, look into it, write to it, repeat it.
# The cells run in a notebook-style editor, or all at once: `uv run python examples/api/spine.py`.

# %%
from pathlib import Path

import numpy as np

from couple import Experiment, Run, Simulation, sample

HERE = Path(__file__).parent

# %% [markdown]
# ## From a file, changed
# Overrides are those of `--set`. A simulation in memory leaves no files; `Simulation.new(experiment, "out")` would.

# %%
spine = Experiment.load(HERE.parent / "spine" / "spine.toml", overrides=["site.head.engine=ode"])
simulation = Simulation.in_memory(spine.changed("experiment.duration=60 ms"))
summary = simulation.run()
print(f"imbalance of the ledger: {summary['ledger']['max_imbalance_ions']:.2g} ions")

with simulation.results as results:
    time = results.time  # (rows,) ms
    calcium = results.micromolar("head", "Ca")  # (rows,) µM
    voltage = results["neuron.head(0.5)"]  # (rows,) mV
    open_channels = results["head.SK_open"]  # (rows,) molecules, mean of each exchange window
print(f"calcium peaks at {calcium.max():.2f} µM, {time[calcium.argmax()]:.1f} ms")

# %% [markdown]
# ## Step by step
# Ports have a unit and a shape. `read` copies values, `send` lets molecules in over the next window and books them.

# %%
simulation = Simulation.in_memory(spine.changed("experiment.duration=40 ms"))
print("neuron.v:", simulation.port("neuron.v"))

largest = []
simulation.after_each_window(lambda now: largest.append(float(now.read("neuron.v").max())))
while simulation.time < 10:
    simulation.step()
before = float(simulation.read("head.Ca"))
simulation.send("head.Ca", 500)
simulation.step()
print(f"{before:.1f} free ions became {float(simulation.read('head.Ca')):.1f}; the rest of 500 is bound already")
summary = simulation.run()  # to the end, with the ledger right
print(f"received: {summary['ledger']['sites'][0]['received']:.0f} ions; V reached {max(largest):.1f} mV")

# %% [markdown]
# ## Written in Python
# The tables of the TOML format, as dicts or as models. Quantities carry their units as text.

# %%
switch = Experiment.build(
    experiment=Run(name="switch", duration="20 ms", exchange="0.1 ms"),
    chemistry={
        "species": {"Ca": {"contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
        "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"}],
        "observables": {"bound": ["CaB"]},
        "initial": {"B": {"count": 40}},
    },
    site=[{"name": "box", "engine": "ssa", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    drive=[{"to": "box.Ca", "influx": {"times": "1 3 ms", "rate": "30 /ms"}}],
    record={"species": "all", "every": "0.5 ms"},
)

# %% [markdown]
# ## Many runs
# On all cores; run i is, to the bit, the run of `ensemble.seeds[i]`.

# %%
if __name__ == "__main__":  # other processes import this file
    with sample(switch, runs=100, seed=1, folder="results/switch") as ensemble:
        bound = ensemble["box.bound"]  # (runs, rows)
        known = ensemble.statistics("box.bound")
    at = len(known.mean) - 1
    print(f"bound at the end: {known.mean[at]:.2f} ± {known.standard_error[at]:.2f}, s.d. {np.std(bound[:, at]):.2f}")
