"""`family = "markov"`: molecules that are independent of each other, as a generator that the drive changes."""

from __future__ import annotations

import numpy as np

from couple.base.errors import InputError
from couple.reduction.family import ReductionRequest, Tell
from reducers.markov.chemistry import own_reactions
from reducers.markov.settings import chosen_species
from reducers.markov.training import DrivenTraining
from reducers.reductions.reduction import DrivenReduction
from reducers.reductions.stimuli import common_tables, scaled_stimuli, times

MOLECULES = 20_000


class IndependentMolecules:
    """See `couple.reduction.family.ReductionFamily`."""

    preference = 1

    def refusal(self, request: ReductionRequest) -> str:
        """Each reaction has to turn one molecule into one other, all of them in one piece; see `ReductionFamily`."""
        if request.order is not None:
            return "independent molecules have no order: leave it out"
        network, drive = request.experiment.network(), request.drive
        try:
            species = chosen_species(request.species, network.names, drive, "reduce")
            reactions = own_reactions(network, species, drive)
        except InputError as error:
            return error.message
        if not network.species[network.index(drive)].contains:
            return f"{drive} contains nothing that could be booked: give species.{drive} contains = {{ {drive} = 1 }}"
        joined = np.eye(len(species), dtype=bool)
        for reaction in reactions:
            sides = [[n for n in side if n in species] for side in (reaction.reactants, reaction.products)]
            if [len(side) for side in sides] != [1, 1]:
                return f'in "{reaction}" molecules are not independent of each other'
            a, b = (species.index(side[0]) for side in sides)
            joined[a, b] = joined[b, a] = True
        if not np.linalg.matrix_power(joined.astype(float), len(species)).all():
            return f"{', '.join(species)} do not all turn into each other: reduce them apart"
        return ""

    def prepare(self, request: ReductionRequest) -> DrivenReduction:
        """See `ReductionFamily`."""
        content = {
            **common_tables(request),
            "driven": {"block": request.name, "species": list(request.species), "drive": request.drive},
            "sample": {
                "molecules": MOLECULES if request.runs is None else request.runs,
                **times(request),
                "stimuli": scaled_stimuli(request),
            },
        }

        def begin(tell: Tell) -> DrivenTraining:
            return DrivenTraining.of(content, request.experiment, request.folder, "reduce", tell)

        begin(lambda line: None)  # what does not fit is said before anything is sampled
        return DrivenReduction("markov", request.name, content, request.folder, begin)
