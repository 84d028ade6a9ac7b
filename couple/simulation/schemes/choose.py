"""The scheme that an experiment asks for."""

from __future__ import annotations

from couple.base.errors import InputError
from couple.exchange.exchange import Exchange
from couple.fixed_point.iteration import accelerator
from couple.parallel.communicator import world
from couple.simulation.schemes.extrapolated import Extrapolated
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.iterated import Iterated
from couple.simulation.schemes.middle_voltage import MiddleVoltage
from couple.simulation.schemes.repeated_window import RepeatedWindow
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import WindowPass
from couple.wiring import System

WHERE = "experiment.scheme"


def chosen_scheme(system: System, exchange: Exchange, passing: WindowPass) -> Scheme | None:
    """None for the schemes that carry out each window once, with inputs of the window before.

    Raises InputError for a system whose windows cannot be repeated.
    """
    experiment = system.plan.experiment
    name, iteration, ticks = experiment.experiment.scheme, experiment.iteration, system.plan.clock.window
    if name not in ("extrapolated", "iterated"):
        return None
    handed = HandedOver(system, exchange, iteration.tolerance)
    middle = MiddleVoltage(system, exchange)
    if name == "extrapolated":
        return Extrapolated(handed, exchange, middle, passing, ticks)
    _refuse_unrepeatable(system)
    window = RepeatedWindow(system, exchange, handed, middle, passing)
    method = accelerator(iteration.acceleration, len(handed.targets))
    return Iterated(exchange, handed, window, passing, method, iteration.most, ticks)


def _refuse_unrepeatable(system: System) -> None:
    if world().size > 1:
        raise InputError(
            f'scheme = "iterated" repeats windows in one process, and this run has {world().size} ranks: leave out '
            'mpiexec, or give scheme = "extrapolated"',
            where=WHERE,
        )
    if reason := next((reason for c in system.components if (reason := c.unsaved())), ""):
        raise InputError(f'scheme = "iterated" goes back to saved states: {reason}', where=WHERE)
