"""What --json prints of the other commands of couple."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from couple.cli.output.quantities import Output


class WrittenFileOutput(Output):
    """The file that was written."""

    file: str


class RepackedOutput(Output):
    """The file that was written, and what it holds."""

    file: str
    kind: str


class FolderOutput(Output):
    """The folders that were made."""

    folders: list[str]


class ExampleOutput(Output):
    """An example."""

    name: str = Field(description="as couple run and couple examples copy take it")
    title: str


class ProjectOutput(Output):
    """A new experiment."""

    file: str
    about: str
    next: list[str] = Field(description="commands that go on from here")


class KeyOutput(Output):
    """A key of an experiment."""

    key: str
    about: str
    kind: str
    unit: str = Field(description="in which it is understood; empty of what has none")
    default: str = Field(description="as TOML has it; empty where there is none")
    one_of: list[Any] = Field(description="the values that are allowed, where they are listed")
    keys: dict[str, str] = Field(description="below it → what each is")


class ImportedOutput(Output):
    """What was read, as TOML."""

    text: str
    file: str | None = Field(description="that it was written to")


class FeatureOutput(Output):
    """A feature: a value for each run, null where a run has none."""

    unit: str
    values: list[float | None]


class AddressOutput(Output):
    """Where a folder is served: one line, when the server listens."""

    address: str = Field(description="with the token")
    port: int


class FindingOutput(Output):
    """What `couple doctor` looked at."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str


class SideOutput(Output):
    """One of the compared."""

    label: str
    what: str
    runs: int
    without_scatter: bool | None = Field(description="whether all runs are the same; null of a single run")
    cpu_seconds_per_run: dict[str, float]


class ComparedOutput(Output):
    """A quantity of a side beside that of the first; errors are standard errors, null where it is not known."""

    quantity: str
    of: str
    unit: str
    side: str
    first: float | None
    first_error: float | None
    other: float | None
    other_error: float | None
    p: float | None
    p_adjusted: float | None = Field(description="by Holm's procedure")
    differs: bool | None = Field(description="null: not judged")
    verdict: str
    note: str


class ComparedSpikesOutput(Output):
    """How spikes were found and matched."""

    threshold_mV: float
    matched_within_ms: float


class ComparisonOutput(Output):
    """Experiments, results or ensembles, held against the first."""

    alpha: float = Field(description="chance of calling anything equal different")
    sides: list[SideOutput]
    rows: list[ComparedOutput]
    not_judged: list[str]
    spikes: ComparedSpikesOutput
    figure: str | None


class RegimeOutput(Output):
    """One engine. mean_z, variance_z: in standard errors from the reference, null of what is not judged."""

    engine: str
    runs: int
    mean: dict[str, float | None]
    variance: dict[str, float | None]
    mean_z: float | None
    variance_z: float | None
    differs: bool | None
    cpu_seconds_per_run: float


class RegimesOutput(Output):
    """One chemistry in every engine."""

    name: str
    quantity: str
    time_ms: float
    reference: str
    bound: float = Field(description="standard errors above which engines differ")
    damkoehler: float = Field(description="time to mix by time to react")
    engines: list[RegimeOutput]
    refused: dict[str, str] = Field(description="engine → reason")
    figure: str | None


Examples = list[ExampleOutput]
Features = dict[str, FeatureOutput]
Findings = list[FindingOutput]
Schema = dict[str, Any]
