"""The scheme that an experiment asks for."""

from __future__ import annotations

from couple.base.errors import InputError
from couple.exchange.exchange import Exchange
from couple.fixed_point.iteration import accelerator
from couple.parallel.communicator import world
from couple.simulation.schemes.automatic_interval import Adaptive
from couple.simulation.schemes.convergence import Convergence
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
    experiment, clock = system.plan.experiment, system.plan.clock
    name, iteration = experiment.experiment.scheme, experiment.iteration
    if name not in ("extrapolated", "iterated"):
        return None
    middle = MiddleVoltage(system, exchange)
    if name == "extrapolated" and not clock.shortest:
        handed = HandedOver(system, exchange, iteration.tolerance)
        return Extrapolated(handed, exchange, middle, passing, clock.window)
    _refuse_unrepeatable(system, f'scheme = "{name}"' if name == "iterated" else 'exchange = "auto"')
    auto = bool(clock.shortest)
    handed = HandedOver(system, exchange, iteration.tolerance, own=not auto)
    window = RepeatedWindow(system, exchange, handed, middle, passing)
    convergence = None
    if name == "iterated":
        method = accelerator(iteration.acceleration, len(handed.targets))
        convergence = Convergence(window, handed, method, iteration.most)
        if not auto:
            return Iterated(exchange, handed, window, passing, convergence, clock.window)
    judged = HandedOver(system, exchange, experiment.exchange.tolerance)
    return Adaptive(exchange, judged, window, passing, convergence, (clock.shortest, clock.window))


def _refuse_unrepeatable(system: System, asked: str) -> None:
    """asked: what of the experiment repeats windows."""
    if world().size > 1:
        raise InputError(
            f"{asked} repeats windows in one process, and this run has {world().size} ranks: leave out mpiexec, or "
            'give scheme = "extrapolated" and an interval',
            where=WHERE,
        )
    if reason := next((reason for c in system.components if (reason := c.unsaved())), ""):
        raise InputError(f"{asked} goes back to saved states: {reason}", where=WHERE)
