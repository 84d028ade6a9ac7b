"""An experiment for other programs: the chemistry of a site, and the surface of its mesh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from couple.analysis.export.vtkhdf import write_surface
from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.base.paths.whole_file import guarded, temporary_for
from couple.chemistry.counted import CountedChemistry, count_chemistry
from couple.experiment import Experiment
from couple.storage.folder.given_file import put_given, take_given
from couple.wiring.plan.plan import make_plan
from couple.wiring.sites.initial_amounts import initial_amounts
from couple.wiring.sites.placed_site import PlacedSite

SUFFIXES = {"sbml": ".xml", "antimony": ".ant"}
"""Of names, where it is another one than that of the form."""


def chemistry_forms() -> list[str]:
    """Forms in which chemistry is written: those registered as `couple.chemistry_writers`."""
    return registry.names("couple.chemistry_writers")


def export_experiment(experiment: Experiment, form: str, path: Path | None = None, site: str | None = None) -> Path:
    """Write the chemistry of a site, in molecules, or the surface of its mesh; returns where the file is.

    form: "sbml", "net", "bngl", "antimony" or "vtkhdf". site: the first by default. path: NAME.xml or the like in the
    working folder by default. Raises InputError for what the form cannot say, MissingDependencyError, and RunError.
    """
    if form not in [*chemistry_forms(), "vtkhdf"]:
        known = nearest(form, [*chemistry_forms(), "vtkhdf"])
        raise InputError(f'"{form}" is not written of an experiment; {known}', where="--to")
    plan = make_plan(experiment)
    if not plan.sites:
        raise InputError("has no site: chemistry is written in molecules of one", where=experiment.where)
    names = [s.name for s in plan.sites]
    if site is not None and site not in names:
        raise InputError(f'no site "{site}"; {nearest(site, names)}', where="--site")
    place = plan.sites[0 if site is None else names.index(site)]
    path = Path(f"{experiment.experiment.name}{SUFFIXES.get(form, f'.{form}')}") if path is None else path
    with guarded(path):
        if form == "vtkhdf":
            _write_surface(place, path)
            return path
        writer: Callable[[CountedChemistry], str] = registry.load("couple.chemistry_writers", form)
        put_given(path, writer(counted(experiment, place)).encode())
    return path


def counted(experiment: Experiment, place: PlacedSite) -> CountedChemistry:
    """The chemistry of an experiment in the molecules of a site."""
    network = experiment.network()
    counts = initial_amounts(network, experiment.chemistry.initial, place.geometry).counts
    geometry = place.geometry
    return count_chemistry(network, counts, geometry.volume, geometry.area, experiment.experiment.name)


def _write_surface(place: PlacedSite, path: Path) -> None:
    if place.geometry.surface is None:
        raise InputError(f'the site "{place.name}" has no geometry.mesh, whose surface could be written', where="--to")
    with temporary_for(path) as temporary:
        write_surface(place.geometry.surface, temporary)
        take_given(temporary, path)
