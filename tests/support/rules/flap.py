"""Rules for tests of the engine `adaptive`."""


def flap(now):
    """The other one, every time."""
    return "lattice" if now.engine != "lattice" else "ode"


def whole(now):
    """The same for two engines in whole ions."""
    return "lattice" if now.engine != "lattice" else "ssa"


def surrogate(now):
    """The same for a surrogate."""
    return "lattice" if now.engine != "lattice" else "surrogate"


def by_influx(now):
    """The fine engine while ions enter."""
    assert now.concentrations["Ca"] >= 0 and now.since <= now.time and set(now.error_indicator) == {"ode", "lattice"}
    return "lattice" if now.influx["Ca"] > 0 else "ode"


def late(now):
    """The fine engine from 1 ms on."""
    return "lattice" if now.time >= 1.0 else "ode"


def wrong(now):
    """None of the engines."""
    return "lattise"


def failing(now):
    """A mistake of the user's."""
    return now.counts["Cb"]
