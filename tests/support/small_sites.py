"""Experiments of small sites without NEURON, of several engines, two of them joined and one driven."""

from __future__ import annotations

from collections.abc import Mapping

HEAD = """
[experiment]
name = "sites"
duration = "{duration}"
exchange = "0.1 ms"
[chemistry]
species.A = {{ D = "10 um^2/s" }}
species.B = {{}}
reactions = [{{ equation = "0 -> A", forward = "1e-3 mM/ms" }}, {{ equation = "A -> B", forward = "0.1 /ms" }}]
[record]
species = "all"
"""


def small_sites(engines: Mapping[str, str], joined: tuple[str, str], driven: str, duration: str) -> str:
    """The TOML. engines: of sites by name. joined: sites that a neck connects. driven: the site that A enters."""
    text = HEAD.format(duration=duration)
    for name, engine in engines.items():
        text += f'[[site]]\nname = "{name}"\nengine = "{engine}"\ngeometry.sphere = {{ diameter = "1 um" }}\n'
    a, b = joined
    text += f'[[link]]\nfrom = "{a}.A"\nto = "{b}.A"\nthrough = {{ diameter = "0.1 um", length = "1 um" }}\n'
    return text + f'[[drive]]\nto = "{driven}.A"\ninflux = {{ times = "0 2 ms", rate = "490 /ms" }}\n'
