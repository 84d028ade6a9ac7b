"""The electrical model: loaded for its geometry, spines grown, cells connected; nothing steps yet."""

from __future__ import annotations

from couple.base import registry
from couple.components.electrics import ElectricalModel
from couple.components.model_spec import ModelSpec
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.cells.network_cells import Cells
from couple.wiring.cells.protocol_stimuli import current_pulses


def load_model(experiment: Experiment, cells: Cells, *, helped: bool = False) -> ElectricalModel | None:
    """The model of [neuron], or the cells of [network] on this rank; None without. All ranks together.

    helped: whether other ranks help with its sites. Raises InputError if it cannot be built.
    """
    spec, ranks = experiment.neuron, world()
    ranks.gather(None)  # all or none go on to NEURON, which makes its own communicators
    if spec is None:
        return None
    local = cells.specs(experiment)
    file, function = (str(local[0].model), local[0].function) if local else spec.file_and_function
    mechanisms = (spec.mechanisms,) if isinstance(spec.mechanisms, str) else spec.mechanisms
    load = registry.load("couple.electrics", "neuron")
    model: ElectricalModel = load(
        ModelSpec(
            model=experiment.folder / file,
            function=function,
            dt=spec.dt,
            celsius=experiment.celsius,
            v_init=spec.v_init,
            cai_writers=spec.cai_writers,
            arguments=spec.arguments,
            mechanisms=tuple(experiment.folder / m for m in mechanisms),
            biophysics=spec.biophysics,
            currents=current_pulses(experiment, cells),
            cells=local,
            rank=ranks.rank,
            size=ranks.size,
            init=spec.init,
            eca=spec.eca,
            before=tuple(experiment.folder / f for f in spec.before),
            after=tuple(experiment.folder / f for f in spec.after),
            uninsert=spec.uninsert,
            values=spec.set,
            cvode_off=spec.cvode == "off",
            second_order=spec.second_order,
            given=_given(experiment),
            helped=helped,
        )
    )
    return model


def _given(experiment: Experiment) -> dict[str, tuple[str, str]]:
    """Mechanism → the ion whose concentration a link hands to it alone, and the key."""
    return {
        mechanism: (link.target.partition(".")[2][:-1], f"link[{i}].mechanisms")
        for i, link in enumerate(experiment.link)
        for mechanism in link.mechanisms or ()
    }
