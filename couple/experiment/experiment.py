"""The whole of an experiment file, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from couple.base.errors import InputError
from couple.base.html.tables import html_table
from couple.base.paths.file_fields import refuse_long_names, refuse_no_files
from couple.base.schema import Block, Name, explain, plain, repeated
from couple.base.toml import override_value, read_toml, refuse_nul
from couple.chemistry.compartments import WHOLE
from couple.chemistry.lattice_units import Unit, time_unit
from couple.chemistry.network import ReactionNetwork
from couple.experiment.cells.network import Network
from couple.experiment.cells.neuron import Neuron
from couple.experiment.cells.protocol import Protocol
from couple.experiment.cells.protocol_targets import check_protocols
from couple.experiment.cells.spine import SpineBlock
from couple.experiment.chemistry.chemistry import Chemistry
from couple.experiment.drive import DriveBlock
from couple.experiment.features import FeatureBlock
from couple.experiment.link import LinkBlock
from couple.experiment.merge.layers import names_layers, with_layers
from couple.experiment.record import Record
from couple.experiment.run import Checkpoint, ExchangeControl, Iteration, Machine, Run
from couple.experiment.sites.regions import region_shares
from couple.experiment.sites.site import SiteBlock
from couple.experiment.sites.site_changes import add_changed_site, site_changes, whole_site
from couple.experiment.surrogate_model import SurrogateModel
from couple.experiment.vary import Vary


class Experiment(Block):
    """A whole experiment, checked. `Experiment.load(path)` reads the TOML format; see README.

    experiment: name, duration, exchange. neuron: the electrical model; none for chemistry alone. network: many
    cells. chemistry: of all sites. spine: spines that grow on the model. protocol: what stimulates them. site: places
    with chemistry. link: what crosses between the parts. drive: prescribed inputs. record: what is recorded.
    checkpoint: when the state is saved. exchange: how often the parts do, where that is chosen. iteration: how long
    windows are repeated. run: on how many threads. vary: what ensembles vary. features: numbers that are taken from
    records.

    Frozen; `changed` gives another one. Raises InputError, from `load`, `build` and `changed`, that names the key.

    >>> from couple import Experiment
    >>> box = Experiment.build(
    ...     experiment={"name": "box", "duration": "1 ms", "exchange": "0.1 ms"},
    ...     chemistry={
    ...         "species": {"A": {}},
    ...         "reactions": [{"equation": "A -> 0", "forward": "1 /ms"}],
    ...         "initial": {"A": {"count": 100}},
    ...     },
    ...     site=[{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    ...     record={"species": "all"},
    ... )
    >>> box.experiment.duration, box.changed("experiment.duration=2 ms").experiment.duration
    (1.0, 2.0)
    """

    experiment: Run
    neuron: Neuron | None = None
    circuit: Network | None = Field(default=None, alias="network")
    chemistry: Chemistry
    spine: tuple[SpineBlock, ...] = ()
    protocol: tuple[Protocol, ...] = ()
    site: tuple[SiteBlock, ...] = Field(min_length=1)
    link: tuple[LinkBlock, ...] = ()
    drive: tuple[DriveBlock, ...] = ()
    record: Record = Record()
    checkpoint: Checkpoint = Checkpoint()
    exchange: ExchangeControl = ExchangeControl()
    iteration: Iteration = Iteration()
    run: Machine = Machine()
    vary: Vary | None = None
    features: dict[Name, FeatureBlock] = {}

    _changes: dict[int, int] = {}
    _source: dict[str, Any] = {}
    _original: dict[str, Any] = {}
    _path: Path | None = None
    _unlayered: dict[str, Any] = {}
    _overrides: tuple[str, ...] = ()
    _chemistry_files: dict[Path, str] = {}
    _time_unit: Unit = "ms"

    @model_validator(mode="after")
    def _names(self) -> Self:
        if (name := repeated(s.name for s in self.site)) is not None:
            raise ValueError(f'two sites are named "{name}"')
        if self.spine and self.neuron is None:
            raise ValueError("spine: spines grow on the sections of a [neuron] model, and there is none")
        check_protocols(self.protocol, self.spine, neuron=self.neuron is not None)
        return self

    @model_validator(mode="after")
    def _one_or_many_cells(self) -> Self:
        if self.circuit is not None and self.neuron is None:
            raise ValueError('network: its cells need [neuron] with dt = "0.025 ms" (and celsius, v_init)')
        if self.neuron is not None and not self.neuron.model and self.circuit is None:
            raise ValueError('neuron.model: is missing; give "cell.py:function", or a [network] of populations')
        if self.neuron is not None and self.circuit is not None:
            for key in ("model", "arguments", "biophysics"):
                if key in self.neuron.model_fields_set:
                    raise ValueError(f"neuron.{key}: in a [network] every population has its own; leave it out")
        placed = [(f"spine[{i}]", s.cells, True) for i, s in enumerate(self.spine)]
        placed += [(f"site[{i}]", s.cells, bool(s.segment or s.place)) for i, s in enumerate(self.site)]
        for key, cells, somewhere in placed:
            if self.circuit is None and cells is not None:
                raise ValueError(f"{key}.cells: there is no [network]; leave it out")
            if self.circuit is not None and somewhere and cells is None:
                names = ", ".join(self.populations)
                raise ValueError(f"{key}: say in which cells: cells = a population ({names}), or a cell")
        return self

    @model_validator(mode="after")
    def _sites(self) -> Self:
        self._changes = site_changes(self.site, self.populations)
        return self

    @model_validator(mode="after")
    def _scheme_fits(self) -> Self:
        scheme, auto = self.experiment.scheme, self.experiment.exchange == "auto"
        if auto and self.neuron is None:
            raise ValueError('experiment.exchange: "auto" follows what crosses to [neuron], and there is none')
        if auto and scheme not in ("extrapolated", "iterated"):
            raise ValueError(
                'experiment.exchange: "auto" needs a scheme that looks ahead: "extrapolated" or "iterated"'
            )
        if not auto and self.exchange.model_dump() != ExchangeControl().model_dump():
            raise ValueError('exchange: nothing is chosen with a given experiment.exchange; give "auto"')
        if self.iteration.model_dump() != Iteration().model_dump() and scheme != "iterated":
            raise ValueError(f'iteration: nothing is repeated with experiment.scheme = "{scheme}"; give "iterated"')
        if scheme in ("extrapolated", "iterated") and self.neuron is None:
            raise ValueError(f'experiment.scheme: "{scheme}" is about what crosses to [neuron], and there is none')
        for i, link in enumerate(self.link):
            if link.extrapolate and scheme in ("extrapolated", "iterated"):
                raise ValueError(f'link.{i}.extrapolate: scheme = "{scheme}" looks ahead in all links; leave it out')
            if link.tolerance is not None and scheme != "iterated" and not auto:
                raise ValueError(f'link.{i}.tolerance: only with scheme = "iterated" or exchange = "auto"')
        return self

    @model_validator(mode="after")
    def _one_temperature(self) -> Self:
        here, there = self.experiment.celsius, self.neuron.celsius if self.neuron is not None else None
        if here is not None and there is not None and here != there:
            raise ValueError(f"experiment.celsius = {here:g} and neuron.celsius = {there:g}: give one temperature")
        return self

    @property
    def site_changes(self) -> dict[int, int]:
        """Number of each [[site]] block that only changes one site of another block → number of that one."""
        return self._changes

    def whole_site(self, number: int) -> SiteBlock:
        """A [[site]] block; of one that only changes a site, all that holds for this site."""
        block = self.site[number]
        return whole_site(self.site[self._changes[number]], block) if number in self._changes else block

    @property
    def celsius(self) -> float | None:
        """The temperature of the experiment, degrees Celsius; None if only the model knows it."""
        own = self.neuron.celsius if self.neuron is not None else None
        return self.experiment.celsius if own is None else own

    @property
    def populations(self) -> dict[str, int]:
        """Cells in each population of the network, in the order of their numbers."""
        return {} if self.circuit is None else {p.name: p.count for p in self.circuit.population}

    def network(self) -> ReactionNetwork:
        """The reaction network at the temperature of the experiment. Raises InputError that names the key."""
        return self.chemistry.network(self.celsius, self.regions())

    def regions(self) -> dict[str, float]:
        """Name → share of the membrane, of the regions of meshes on which a species is; see `region_shares`."""
        wanted = {s.on for s in self.chemistry.species.values()} - {*WHOLE} - {*self.chemistry.compartments}
        return region_shares([self.whole_site(i) for i in range(len(self.site))], wanted, self.folder)

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file; each override is "a.b=value" (a list entry by its name or index).

        Raises InputError that names the file and the key.
        """
        path = Path(path)
        content = read_toml(path, "an experiment, a TOML file,")
        if "train" in content and not {"experiment", "site"} <= content.keys():
            raise InputError(f"is a training, not an experiment: couple train {path}", where=str(path))
        return cls.parse(content, path=path, overrides=overrides)

    @classmethod
    def build(cls, *, folder: str | Path | None = None, **tables: Any) -> Self:
        """An experiment from Python: the tables of the TOML format by keyword, as dicts or as models of this module.

        `Experiment.build(experiment=Run(name="mine", ...), chemistry={...}, site=[{...}])`
        folder: where relative paths in it start; the working folder if not given.
        Raises InputError that names the key.
        """
        return cls.parse(tables, path=None if folder is None else Path(folder) / "experiment")

    def changed(self, *overrides: str) -> Self:
        """The same with other values, as in changed("site.head.engine=ode"). Raises InputError that names the key."""
        layers = [o for o in overrides if names_layers(o)]
        others = [o for o in overrides if not names_layers(o)]
        made = self
        if layers:
            made = self._made(self._unlayered, self._path, [*self._overrides, *layers], self._original)
        if others or not layers:
            made = made._of(made._source, others)
        return made

    def with_surrogate(self, site: str, model: SurrogateModel) -> Self:
        """The same with a learned model in a site, in the place of the species that it stands for.

        site: its name, also of one of many ("spine_3"). model: what `couple.reduce(...).fit()` gave, or anything with
        the `name` of a model and the `path` of its file. The engine of the site becomes "surrogate"; models that it has
        by name already stay. Raises InputError for an unknown site or a model whose file is not there.
        """
        path = Path(model.path).absolute()
        if not path.is_file():
            raise InputError(f'the file of the model "{model.name}" is not there', where=str(path))
        key = f"site.{site}"
        return self.changed(f"{key}.engine=surrogate", f"{key}.surrogate.models.{model.name}={json.dumps(str(path))}")

    def _of(self, content: Mapping[str, Any], overrides: Iterable[str] = ()) -> Self:
        """An experiment of the same origin."""
        made = self._made(content, self._path, overrides, self._original)
        made._chemistry_files = self._chemistry_files
        made._unlayered, made._overrides = self._unlayered, (*self._overrides, *overrides)
        return made

    def stored(self) -> dict[str, Any]:
        """All that `from_stored` needs, as JSON can hold it; paths in it are absolute."""
        return {
            "content": self._source,
            "original": self._original,
            "path": "" if self._path is None else str(self._path.absolute()),
            "files": {str(path.absolute()): given for path, given in self._chemistry_files.items()},
            "unlayered": self._unlayered,
            "overrides": list(self._overrides),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Self:
        """The experiment that was `stored`; no file is read. Raises InputError if there is anything else in it."""
        try:
            path = Path(stored["path"]) if stored["path"] else None
            made = cls._made(stored["content"], path, (), stored["original"])
            made._chemistry_files = {Path(file): str(given) for file, given in stored["files"].items()}
            made._unlayered, made._overrides = stored["unlayered"], tuple(stored["overrides"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"holds no experiment: {error}") from None
        return made

    @classmethod
    def parse(cls, source: Mapping[str, Any], *, path: Path | None = None, overrides: Iterable[str] = ()) -> Self:
        """Check the content of an experiment file. path: of the file, for relative paths and messages."""
        return cls._made(source, path, overrides, None)

    @classmethod
    def _made(
        cls,
        source: Mapping[str, Any],
        path: Path | None,
        overrides: Iterable[str],
        original: Mapping[str, Any] | None,
    ) -> Self:
        """See `parse`. original: content of the file, where `source` has overrides in it."""
        where = str(path) if path is not None else "experiment"
        given: dict[str, Any] = json.loads(json.dumps(source, default=plain))
        overrides = tuple(overrides)
        try:
            refuse_nul(given)
        except InputError as error:
            raise error.inside(where) from None
        content, files = with_layers(given, path.parent if path is not None else Path(), where, overrides)
        for override in overrides:
            if not names_layers(override):
                add_changed_site(content, override)
                override_value(content, override)
        try:
            made = cls.model_validate(content)
        except ValidationError as error:
            raise explain(error, content, cls).inside(where) from None
        made._source, made._path, made._chemistry_files = content, path, files
        made._unlayered, made._overrides = given, overrides
        made._original = given if original is None else dict(original)
        try:
            made._time_unit = time_unit(content)
            refuse_long_names(made)
            refuse_no_files(made, made.folder)
        except InputError as error:
            raise error.inside(where) from None
        return made

    @property
    def source(self) -> dict[str, Any]:
        """The content as given, with overrides: what results and checkpoints store."""
        return self._source

    @property
    def original(self) -> dict[str, Any]:
        """The content of the file, without what it includes and without overrides."""
        return self._original

    @property
    def path(self) -> Path | None:
        """The file it was read from."""
        return self._path

    @property
    def read_from(self) -> dict[Path, tuple[str, str, str]]:
        """The files that it was read from → key, text there, role; none for an experiment from Python."""
        own = {self._path: ("", "", "experiment")} if self._path is not None and self._path.is_file() else {}
        return own | {path: ("chemistry.file", given, "chemistry") for path, given in self._chemistry_files.items()}

    def _repr_html_(self) -> str:
        run, given = self.experiment, self.experiment._given
        facts: list[tuple[str, Any]] = [(k, given[k]) for k in ("duration", "exchange") if k in given]
        facts += [("model", self.neuron.model)] if self.neuron is not None and self.neuron.model else []
        sites = [
            (s.name, s.engine, ", ".join(s.segment or s.sections or (() if s.place is None else s.place.on)))
            for s in self.site
        ]
        links = [(one.source, one.target, one._given.get("conductance", "")) for one in self.link]
        return (
            html_table(("", ""), [*facts, ("seed", run.seed)], run.name)
            + html_table(("site", "engine", "where"), sites)
            + (html_table(("from", "to", "conductance"), links) if links else "")
        )

    @property
    def time_unit(self) -> Unit:
        """What the clock counts: ms, or steps of a lattice."""
        return self._time_unit

    @property
    def where(self) -> str:
        """Place for messages: the file's name."""
        return str(self._path) if self._path is not None else "experiment"

    @property
    def folder(self) -> Path:
        """Relative paths in the experiment start here."""
        return self._path.parent if self._path is not None else Path()

    def digest(self) -> str:
        """SHA-256 of the content, independent of formatting; the order of species counts, it is that of all arrays."""
        return hashlib.sha256(json.dumps(self._source).encode()).hexdigest()
