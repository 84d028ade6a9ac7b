"""What is recorded of every component."""

from __future__ import annotations

from typing import Literal

from couple.base.errors import InputError, nearest
from couple.components.capabilities import AlongCable
from couple.components.engine import SiteEngine
from couple.experiment import QUANTITIES, Record
from couple.storage.records.recorder import Variable
from couple.wiring.links.size_changes import growing
from couple.wiring.plan.plan import Plan
from couple.wiring.system.electrics import Electrics
from couple.wiring.system.engines import Engines
from couple.wiring.system.memory import Memory

TOTAL = "total since the row before"
AVERAGE = "average over the last exchange interval"


def recorded_variables(plan: Plan, electrics: Electrics | None, engines: Engines, memory: Memory) -> list[Variable]:
    """Voltages, charges, concentrations, conductances, counts, observables and influx.

    Of the counts by default those that links read or fill, and reservoirs, or else all; what an engine lays open by
    an option of its own is always recorded. Raises InputError that names the key.
    """
    record = plan.experiment.record
    variables = [] if electrics is None else _of_model(electrics, memory)
    variables += [] if electrics is None else _axial(electrics, memory)
    ranges = [] if electrics is None else _ranges(plan, electrics, memory)
    ranges += _volumes(plan, engines, memory)
    variables += [] if electrics is None else _parameters(plan, electrics, memory)
    linked = {link.quantity for link in plan.links}
    for engine in engines.all:
        variables += _of_engine(engine, record, linked, memory)
        variables += _along(engine, record, linked, memory) + _through_necks(engine, memory)
    if record.variables is not None and variables:
        kinds = {v.path: _kind(v.path.split("/")[1]) for v in variables}
        for i, name in enumerate(record.variables):
            # What is known of any experiment stays silent where there is none of it; an ion has to be there.
            if name not in (*kinds.values(), *QUANTITIES):
                raise InputError(f'nothing sets "{name}"; {nearest(name, QUANTITIES)}', where=f"record.variables[{i}]")
        variables = [v for v in variables if kinds[v.path] in record.variables]
    others = [(e, port) for e in engines.all for port in e.outputs if port.split("_")[0] not in ("counts", "means")]
    return ranges + variables + [_other(engine, port, memory) for engine, port in others]


def _kind(name: str) -> str:
    """As record.variables has it: "charge" of all ions, "g" of both kinds, "counts" of sites and along sections."""
    if name.startswith(("parameter_", "factor_")):
        return "parameters"
    if name.startswith("axial_"):
        return "axial"
    return name.split("_")[0] if name.startswith(("charge_", "g_", "influx_")) else name.removesuffix("_along")


def _of_model(electrics: Electrics, memory: Memory) -> list[Variable]:
    component, attached = electrics.component, electrics.attachments
    segment = ("segment",)
    variables = [
        Variable(
            "neuron/v", "mV", segment, (attached.voltages,), memory.all_of(component, "v"), order=electrics.order["v"]
        ),
    ]
    for ion in attached.ions:
        order = electrics.order[ion.ion]
        charge, concentration = (memory.all_of(component, port) for port in (ion.charge, ion.concentration))
        variables += [
            Variable(f"neuron/{ion.charge}", "fC", segment, (ion.segments,), charge, "sum", TOTAL, order=order),
            Variable(f"neuron/{ion.concentration}", "mM", segment, (ion.segments,), concentration, order=order),
        ]
    for unit, kind in (("S/cm^2", "density"), ("uS", "point")):
        chosen = [i for i, c in enumerate(attached.conductances) if c.kind == kind]
        if chosen:
            names = tuple(f"{attached.conductances[i].name} at {attached.conductances[i].segment}" for i in chosen)
            indices = tuple(memory.at(component, "g", i) for i in chosen)
            order = tuple(electrics.order["g"][i] for i in chosen)
            variables.append(Variable(f"neuron/g_{kind}", unit, ("channel",), (names,), indices, order=order))
    return variables


def _volumes(plan: Plan, engines: Engines, memory: Memory) -> list[Variable]:
    """Volumes of sites that grow, by component."""
    found: dict[str, dict[str, int]] = {}
    for site, at in zip(growing(plan.sites), memory.spare, strict=False):
        found.setdefault(engines.of[site.name][0].name, {})[site.name] = at
    return [
        Variable(f"{name}/volume_now", "um^3", ("site",), (tuple(at),), tuple(at.values()))
        for name, at in found.items()
    ]


def _axial(electrics: Electrics, memory: Memory) -> list[Variable]:
    """What necks with drift have in the electrical model: µS at V1 - V2 of now, and the charge that crosses."""
    names, order = electrics.attachments.axial_names, electrics.order["axial"]
    if not names:
        return []
    conductances = memory.all_of(electrics.component, "axial_conductance")
    charges = memory.spare[-len(names) :]
    return [
        Variable("neuron/axial_conductance", "uS", ("neck",), (names,), conductances, order=order),
        Variable("neuron/axial_charge", "fC", ("neck",), (names,), charges, "sum", TOTAL, order=order),
    ]


def _parameters(plan: Plan, electrics: Electrics, memory: Memory) -> list[Variable]:
    """Parameters that links set, and factors of what the model has, those of one name together, by site."""
    component, order = electrics.component, electrics.order["parameters"]
    first = {placed.parameter: placed for placed in reversed(plan.parameters)}
    together: dict[tuple[str, str], dict[int, str]] = {}
    for k, parameter in enumerate(electrics.attachments.parameters):
        kind = "factor" if parameter.relative else "parameter"
        together.setdefault((f"{kind}_{parameter}", first[parameter].unit), {})[k] = first[parameter].label
    return [
        Variable(
            f"neuron/{name}",
            unit,
            ("site",),
            (tuple(chosen.values()),),
            tuple(memory.at(component, "parameters", k) for k in chosen),
            order=tuple(order[k] for k in chosen),
        )
        for (name, unit), chosen in together.items()
    ]


def _ranges(plan: Plan, electrics: Electrics, memory: Memory) -> list[Variable]:
    """Range variables of the model, those of one name together."""
    component = electrics.component
    return [
        Variable(
            f"neuron/range_{name}",
            component.outputs[f"range_{name}"].unit,
            ("segment",),
            (segments,),
            memory.all_of(component, f"range_{name}"),
            order=tuple(plan.ranges[segment, name] for segment in segments),
        )
        for name, segments in electrics.attachments.segments_of.items()
    ]


def _of_engine(engine: SiteEngine, record: Record, linked: set[str], memory: Memory) -> list[Variable]:
    sites = tuple(s.name for s in engine.sites)
    columns = _columns(engine, record, linked)
    species = tuple(engine.network.states[c] for c in columns)
    counts = tuple(memory.at(engine, "counts", row, c) for row in range(len(sites)) for c in columns)
    variables = [Variable(f"{engine.name}/counts", "count", ("site", "species"), (sites, species), counts)]
    if engine.network.observables:
        labels = (sites, tuple(engine.network.observables))
        means = memory.all_of(engine, "means")
        variables.append(
            Variable(f"{engine.name}/means", "count", ("site", "observable"), labels, means, "sample", AVERAGE)
        )
    if engine.setup.injected:
        influx = memory.all_of(engine, "influx")
        labels = (sites, engine.setup.injected)
        variables.append(Variable(f"{engine.name}/influx", "count", ("site", "species"), labels, influx, "sum", TOTAL))
    return variables


def _along(engine: SiteEngine, record: Record, linked: set[str], memory: Memory) -> list[Variable]:
    """The same for every segment of a site along sections."""
    (site, *_), n = engine.sites, engine.network
    if not isinstance(engine, AlongCable) or site.cable is None:
        return []
    segments = range(len(site.cable.segments))
    columns = [c for c in _columns(engine, record, linked) if c < len(n.species)]
    made: list[tuple[str, str, tuple[str, ...], list[int], Literal["sample", "sum"], str]] = [
        ("counts_along", "species", tuple(n.states[c] for c in columns), columns, "sample", Variable.meaning),
        ("means_along", "observable", tuple(n.observables), [*range(len(n.observables))], "sample", AVERAGE),
        ("influx_along", "species", engine.setup.injected, [*range(len(engine.setup.injected))], "sum", TOTAL),
    ]
    return [
        Variable(
            f"{engine.name}/{port}", "count", ("segment", axis), (site.cable.segments, labels),
            tuple(memory.at(engine, port, i, c) for i in segments for c in chosen), kind, meaning,
        )
        for port, axis, labels, chosen, kind, meaning in made
        if chosen
    ]  # fmt: skip


def _through_necks(engine: SiteEngine, memory: Memory) -> list[Variable]:
    """What enters at the openings and feet of necks."""
    found, injected = [], engine.setup.injected
    sites = tuple(s.name for s in engine.sites)
    cable = engine.sites[0].cable
    feet = () if cable is None else tuple(f"{cable.branches[f.branch].name}({f.x:g})" for f in cable.feet)
    for port, axis, names in (("influx_opening", "site", sites), ("influx_feet", "foot", feet)):
        if port in engine.inputs and names and injected:
            labels, at = (names, injected), memory.all_of(engine, port)
            found.append(Variable(f"{engine.name}/{port}", "count", (axis, "species"), labels, at, "sum", TOTAL))
    return found


def _other(engine: SiteEngine, name: str, memory: Memory) -> Variable:
    """Any other output of an engine, as it is."""
    port, sites = engine.outputs[name], tuple(s.name for s in engine.sites)
    labels = (sites, port.columns) if port.columns else (sites,)
    dims = ("site", port.axis)[: len(labels)]
    return Variable(f"{engine.name}/{name}", port.unit, dims, labels, memory.all_of(engine, name), stored=port.stored)


def _columns(engine: SiteEngine, record: Record, linked: set[str]) -> list[int]:
    states = engine.network.states
    if record.species == "all":
        return list(range(len(states)))
    if record.species is not None:
        known = {*states, *engine.setup.network.names}  # of the latter some may be replaced by a reduced model
        for i, name in enumerate(record.species):
            if name not in known:
                raise InputError(f'unknown species "{name}"; {nearest(name, known)}', where=f"record.species[{i}]")
        return [states.index(name) for name in record.species if name in states]
    wanted = linked | {*engine.setup.injected, *engine.setup.clamped, *engine.network.reservoirs}
    return [i for i, s in enumerate(states) if s in wanted] or list(range(len(states)))
