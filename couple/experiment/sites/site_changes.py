"""What differs at one site of a [[site]] block that makes many: which block changes which, and the two in one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from couple.base.toml import key_of, parts_of
from couple.experiment.sites.placement import listed
from couple.experiment.sites.site import SiteBlock


def site_changes(sites: Sequence[SiteBlock], populations: Collection[str]) -> dict[int, int]:
    """Number of each block that says only what differs at one site → number of the block that makes this site.

    Raises ValueError that names the key of a block that neither stands anywhere nor can be such a change.
    """
    makers = {i: names for i, s in enumerate(sites) if (names := _made_names(_table(s), populations)) is not None}
    found = {}
    for i, site in enumerate(sites):
        if site.located or site.cells is not None:
            _check_engine(i, site)
            continue
        fitting = [k for k, names in makers.items() if names.fullmatch(site.name)]
        if len(fitting) > 1:
            said = " and ".join(f'site[{k}] ("{sites[k].name}")' for k in fitting)
            raise ValueError(f'site[{i}].name: {said} can both make a site "{site.name}": give it a segment of its own')
        if fitting:
            found[i] = fitting[0]
        else:
            _check_alone(i, site, [sites[k].name for k in makers])
    return found


def _check_engine(i: int, site: SiteBlock) -> None:
    if not site.engine:
        raise ValueError(f"site[{i}].engine: is missing")


def _check_alone(i: int, site: SiteBlock, makers: Sequence[str]) -> None:
    """A block without segments needs a shape of its own, or options that describe one."""
    many = f'; "{site.name}" is no site of {", ".join(f'"{name}"' for name in makers)}' if makers else ""
    if not site.engine and makers:
        raise ValueError(f"site[{i}].engine: is missing{many}")
    _check_engine(i, site)
    if site.geometry is None and not site.options.get(site.engine):
        raise ValueError(
            f'site[{i}]: give segment = "head(0.5)", or geometry.cylinder = {{ diameter, length }}, or both{many}'
        )


def whole_site(block: SiteBlock, change: SiteBlock) -> SiteBlock:
    """A block that makes many sites, as it is for the one site that `change` names; what this says wins, key by key."""
    differs: dict[str, Any] = {key: getattr(change, key) for key in ("engine", "geometry") if getattr(change, key)}
    return block.model_copy(update={"name": change.name, "options": _merged(block.options, change.options), **differs})


def add_changed_site(content: dict[str, Any], override: str) -> None:
    """Add the block that "site.spine_0.engine=ode" is to change, where there is none, but one that can make spine_0."""
    key, *rest = parts_of(key_of(override))
    sites = content.get("site")
    if key != "site" or len(rest) < 2 or not isinstance(sites, list):
        return
    tables = [site for site in sites if isinstance(site, Mapping)]
    if any(table.get("name") == rest[0] for table in tables):
        return
    made = (_made_names(table, _populations(content)) for table in tables)
    if any(names is not None and names.fullmatch(rest[0]) for names in made):
        sites.append({"name": rest[0]})


def _table(site: SiteBlock) -> dict[str, Any]:
    return {key: value for key in ("name", "place", "cells") if (value := getattr(site, key)) is not None}


def _populations(content: Mapping[str, Any]) -> list[str]:
    """Names of populations in what may be no experiment at all."""
    network = content.get("network")
    blocks = network.get("population") if isinstance(network, Mapping) else None
    listing = blocks if isinstance(blocks, list) else []
    return [str(block.get("name")) for block in listing if isinstance(block, Mapping)]


def _made_names(site: Mapping[str, Any], populations: Collection[str]) -> re.Pattern[str] | None:
    """The names that the sites of a [[site]] table can have; None if it makes one alone."""
    name, cells = site.get("name"), listed(site.get("cells"))
    placed = site.get("place") is not None
    if not isinstance(name, str) or not (placed or cells):
        return None
    numbered = placed and "*" not in name
    one = re.escape(name).replace(r"\*", ".*") + (r"_\d+" if numbered else "")
    return re.compile((_cell_names(cells, populations) if cells else "") + one)


def _cell_names(cells: Any, populations: Collection[str]) -> str:
    """What names of sites in these cells begin with, as a regular expression."""
    given = [str(cell) for cell in cells] if isinstance(cells, list | tuple) else []
    each = (rf"{c}_\d+" if c in populations else re.escape(c).replace(r"\*", ".*").replace(r"\?", ".") for c in given)
    return f"(?:{'|'.join(each)})_"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merged(below[k], v) for k, v in above.items() if isinstance(v, Mapping) and _is_table(below.get(k))}
    return {**below, **above, **both}


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)
