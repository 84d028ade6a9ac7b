"""What --json prints of runs and ensembles. Molecules are numbers of them; other units stand in the names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from couple.cli.output.quantities import Output


class LinkEntryOutput(Output):
    """What a link brought into a site, in molecules: sent = received + carried - owed."""

    link: str
    site: str
    function: str
    sent: float
    received: float
    carried: float
    owed: float
    in_flight: float = Field(description="has left the model in the last window, and is sent with the next")
    charge_fC: float | None = Field(description="that crossed, where the link is one of charge")


class SiteEntryOutput(Output):
    """A conserved substance in a site, in molecules: held_at_start + received = free + bound + extruded."""

    site: str
    substance: str
    held_at_start: float
    received: float
    free: float
    bound: float
    extruded: float
    imbalance: float


class DiffusionEntryOutput(Output):
    """What crossed between two sites, in molecules: `second` gained forth - back, `first` lost as much."""

    link: str
    species: str
    first: str
    second: str
    conductance_um3_per_ms: float
    forth: float
    back: float
    owed_by_first: float
    owed_by_second: float


class LedgerOutput(Output):
    """The books of a run."""

    max_imbalance_ions: float = Field(description="the largest of any site at any exchange")
    links: list[LinkEntryOutput]
    sites: list[SiteEntryOutput]
    floored: dict[str, int] = Field(description="link → how often its concentration was raised to its floor")
    diffusion: list[DiffusionEntryOutput]


class SpikesOutput(Output):
    """Spikes of recorded somata; nothing where none is recorded."""

    threshold_mV: float = 0.0
    count: dict[str, int] = Field({}, description="soma → spikes")


class OverheadOutput(Output):
    """What exchanging costs."""

    us_per_exchange: float
    share: float = Field(description="of the run's time")


class ValidityOutput(Output):
    """How often an engine left what it can be trusted with."""

    total: int
    sites: dict[str, int] = Field(description="site → windows")


class RankSecondsOutput(Output):
    """One rank of a run over several."""

    seconds: dict[str, float]
    cpu_seconds: float


class RunOutput(Output):
    """A run at its end: the content of `summary.json`."""

    name: str
    status: Literal["complete", "partial", "interrupted", "failed"]
    simulated_ms: float = Field(description="steps, of an experiment whose time is in steps")
    exchanges: int
    engines: dict[str, str] = Field(description="site → engine")
    channel_path: str | None = Field(description="how mechanisms were built: compiled, or by NEURON's channel builder")
    peaks: dict[str, dict[str, float]] = Field(description="owner → name with its unit → largest value")
    ledger: LedgerOutput
    spikes: SpikesOutput = SpikesOutput()
    calcium_not_linked: dict[str, float] = Field({}, description="ion → share of the charge that no link takes up")
    seconds: dict[str, float] = Field(description="part of the run → wall-clock seconds")
    cpu_seconds: float
    overhead: OverheadOutput
    seconds_inside: dict[str, dict[str, float]] = Field({}, description="engine → part of it → seconds")
    passes: dict[str, int] = Field({}, description="passes over a window → windows, where a scheme repeats them")
    rejected: int = Field(0, description='windows that were undone, with exchange = "auto"')
    validity_counts: dict[str, dict[str, ValidityOutput]] = Field({}, description="engine → what it left → how often")
    warnings: list[str]
    seed: int
    versions: dict[str, str]
    ranks: list[RankSecondsOutput] = Field([], description="of a run over several")


class ShownRunOutput(Output):
    """A result file."""

    name: str
    status: str
    file: str
    time_unit: str
    simulated: float = Field(description="time of the last row")
    rows: int
    seed: int
    engines: dict[str, str] = Field(description="site → engine")
    peaks: dict[str, dict[str, float]] = Field(description="owner → name with its unit → largest value")
    ledger: LedgerOutput
    spikes: SpikesOutput
    calcium_not_linked: dict[str, float]
    seconds: dict[str, float]
    passes: dict[str, int]
    exchange_intervals_ms: list[float] = Field(description="each, where they were chosen on the way")
    versions: dict[str, str]


class UnfinishedOutput(Output):
    """A run that goes on, or was stopped: what its last checkpoint says, if there is one."""

    status: Literal["running", "stopped"]
    name: str = ""
    time_unit: str = ""
    saved: float = Field(0.0, description="time of the checkpoint")
    end: float = Field(0.0, description="of the experiment")


class EnsembleOutput(Output):
    """An ensemble."""

    name: str
    status: str
    runs: int
    seed: int
    file: str
    simulated_ms: float
    rows: int
    seconds: float = Field(description="of wall-clock time, for what was made now")
    cpu_seconds_per_run: float
    max_imbalance_ions: float
    parameters: dict[str, tuple[float, float]] = Field(description="key → least, most")
    failures: dict[str, str] = Field(description="run → reason")
    versions: dict[str, str]


RunOrEnsemble = RunOutput | EnsembleOutput
Shown = ShownRunOutput | EnsembleOutput | UnfinishedOutput
