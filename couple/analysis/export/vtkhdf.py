"""VTKHDF, which ParaView (5.12 and later) opens: particles over time, and the surfaces of meshes beside them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from couple.analysis.export.particles import Particles, particles_of
from couple.base.arrays import Floats, Ints
from couple.files.write_hdf5 import new_for_others
from couple.geometry.surface.surface import Surface
from couple.storage.records.record_file import Recording

VERSION = (2, 0)
_KINDS = ("Vertices", "Lines", "Polygons", "Strips")


def write_particles(recording: Recording, path: Path) -> None:
    """Molecules of every site with snapshots as points over time (µm), with `species` and `site` as numbers.

    The names behind the numbers are attributes of VTKHDF/PointData/species and site. Raises InputError as
    `particles_of`.
    """
    sites = list(particles_of(recording))
    species = tuple(dict.fromkeys(name for one in sites for name in one.species))
    with new_for_others(path) as file:
        root = _root(file)
        points: list[Floats] = []
        codes: list[Ints] = []
        numbers: list[Ints] = []
        for row in range(len(sites[0].time)):
            found = [_of(one, row, species) for one in sites]
            codes.append(np.concatenate([code for code, _ in found]))
            points.append(np.concatenate([place for _, place in found]))
            numbers.append(np.repeat(np.arange(len(sites)), [len(code) for code, _ in found]))
        n = np.array([len(p) for p in points])
        start = np.cumsum(n) - n
        root["NumberOfPoints"] = n
        root["Points"] = np.concatenate(points).astype(np.float32)
        data = root.create_group("PointData")
        for key, values, names in (("species", codes, species), ("site", numbers, [one.site for one in sites])):
            data[key] = np.concatenate(values).astype(np.int32)
            data[key].attrs["names"] = list(names)
        _cells(root, "Vertices", n, np.concatenate([np.arange(k + 1) for k in n]), np.concatenate([*map(np.arange, n)]))
        for kind in _KINDS[1:]:
            _cells(root, kind, np.zeros_like(n), np.zeros(len(n), dtype=np.int64), np.zeros(0, dtype=np.int64))
        _steps(root, sites[0].time, start)


def _of(one: Particles, row: int, species: tuple[str, ...]) -> tuple[Ints, Floats]:
    codes, places = one.at(row)
    return np.array([species.index(name) for name in one.species], dtype=np.int64)[codes], places


def _steps(root: h5py.Group, time: Floats, start: Ints) -> None:
    """Where each time begins: one part each, its points and vertices behind those of the last."""
    n = len(time)
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = n
    steps["Values"] = np.asarray(time, dtype=np.float64)
    steps["PartOffsets"] = np.arange(n)
    steps["NumberOfParts"] = np.ones(n, dtype=np.int64)
    steps["PointOffsets"] = start
    for key in ("CellOffsets", "ConnectivityIdOffsets"):
        offsets = np.zeros((n, 4), dtype=np.int64)
        offsets[:, 0] = start
        steps[key] = offsets
    data = steps.create_group("PointDataOffsets")
    data["species"], data["site"] = start, start


def write_surface(surface: Surface, path: Path) -> None:
    """A surface as polygons (µm), each with the number of its region; names are an attribute of CellData/region."""
    with new_for_others(path) as file:
        root = _root(file)
        m = len(surface.triangles)
        root["NumberOfPoints"] = np.array([len(surface.points)])
        root["Points"] = surface.points
        for kind in _KINDS:
            if kind == "Polygons":
                _cells(root, kind, np.array([m]), 3 * np.arange(m + 1), surface.triangles.ravel(), 3)
            else:
                _cells(root, kind, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(0, np.int64))
        data = root.create_group("CellData")
        data["region"] = surface.region.astype(np.int32)
        data["region"].attrs["names"] = list(surface.regions)


def _root(file: h5py.File) -> h5py.Group:
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array(VERSION)
    root.attrs.create("Type", b"PolyData", dtype=h5py.string_dtype("ascii", len("PolyData")))
    return root


def _cells(root: h5py.Group, kind: str, n: Ints, offsets: Ints, connectivity: Ints, corners: int = 1) -> None:
    """Cells of a kind: n: (n_parts,) how many; offsets: those of each part with one more at its end."""
    group = root.create_group(kind)
    group["NumberOfCells"] = np.asarray(n, dtype=np.int64)
    group["NumberOfConnectivityIds"] = np.asarray(n, dtype=np.int64) * corners
    group["Offsets"] = np.asarray(offsets, dtype=np.int64)
    group["Connectivity"] = np.asarray(connectivity, dtype=np.int64)
