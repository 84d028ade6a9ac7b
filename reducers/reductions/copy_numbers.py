"""`family = "copy_numbers"`: one to three numbers of molecules that meet, as a dynamic Boltzmann distribution."""

from __future__ import annotations

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.geometry.geometry import Geometry
from couple.reduction.family import ReductionRequest, Tell
from couple.simulation.simulation import Simulation
from reducers.copy_numbers.chemistry import kinetics
from reducers.copy_numbers.training import CopyNumberTraining
from reducers.markov.settings import chosen_species
from reducers.reductions.reduction import DrivenReduction
from reducers.reductions.stimuli import common_tables, scaled_stimuli, times

RUNS, ORDER = 128, 2


class CopyNumbers:
    """See `couple.reduction.family.ReductionFamily`."""

    preference = 2

    def refusal(self, request: ReductionRequest) -> str:
        """See `ReductionFamily` and `reducers.copy_numbers.chemistry.kinetics`."""
        network = request.experiment.network()
        try:
            kinetics(network, chosen_species(request.species, network.names, request.drive, "reduce"), request.drive)
        except InputError as error:
            return error.message
        return ""

    def prepare(self, request: ReductionRequest) -> DrivenReduction:
        """See `ReductionFamily`."""
        geometry = _geometry(request)
        content = {
            **common_tables(request),
            "copy_numbers": {
                "block": request.name,
                "species": list(request.species),
                "drive": request.drive,
                "order": ORDER if request.order is None else request.order,
            },
            "sample": {
                "runs": RUNS if request.runs is None else request.runs,
                **times(request),
                "stimuli": scaled_stimuli(request, 1.0 / (IONS_PER_MM_UM3 * geometry.volume)),
            },
        }

        def begin(tell: Tell) -> CopyNumberTraining:
            made = CopyNumberTraining.of(content, request.experiment, request.folder, "reduce", tell)
            made.geometry = geometry
            return made

        begin(lambda line: None)  # what does not fit is said before anything is sampled
        return DrivenReduction("copy_numbers", request.name, content, request.folder, begin)


def _geometry(request: ReductionRequest) -> Geometry:
    """Of the site: as the file has it, or as a cell gives it."""
    experiment = request.experiment
    block = next(block for block in experiment.site if block.name == request.site)
    if block.geometry is not None and block.geometry.shell is None:
        return block.geometry.build()
    placed = Simulation.in_memory(experiment).system.plan.sites.matching(request.site, "site")
    return placed[0].geometry
