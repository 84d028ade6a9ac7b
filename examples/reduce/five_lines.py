"""Two systems that have nothing to do with calcium, learned and put back in their place: five lines each.

uv run python examples/reduce/five_lines.py
"""

from pathlib import Path

from couple import Experiment, Simulation, reduce

HERE = Path(__file__).parent


def learned(file: str, site: str, species: list[str], shown: str) -> None:
    """What the model is, and a run of the experiment with it."""
    experiment = Experiment.load(HERE / file)
    model = reduce(experiment, species).fit()
    print(model.report())
    simulation = Simulation.in_memory(experiment.with_surrogate(site, model))
    simulation.run()
    with simulation.results as results:
        print(site, shown, results[f"{site}.{shown}"][::20].round(1).tolist())


if __name__ == "__main__":
    learned("driven_sir.toml", "town", ["S", "I", "R"], "infected")
    learned("toggle.toml", "cell", ["A", "B"], "on")
