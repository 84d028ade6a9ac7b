"""A folder that CellBlender reads: positions of molecules (viz_data) and counts (react_data), as MCell writes them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from couple.analysis.export.particles import particles_of
from couple.base.errors import InputError
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

VERSION = 1
"""Of the binary format of positions ("cellbin")."""
LONGEST_NAME = 31
SEED = "seed_00001"


def write_cellblender(recording: Recording, folder: Path) -> None:
    """viz_data/SEED/Scene.cellbin.ROW.dat of the sites with snapshots, react_data/SEED/SPECIES.SITE.dat of all.

    A file of positions (µm) is the version (uint32), then for each species the length of its name (uint8), the name, 0
    for molecules of the volume (uint8), the number of coordinates (uint32), and these (float32, little endian). A file
    of counts has a time in seconds and a number in each line. Raises InputError for an ensemble, for times in steps,
    and for names that are too long.
    """
    if not isinstance(recording, Results):
        raise InputError("CellBlender takes one run, this is an ensemble", where="--to")
    if recording.time_unit != "ms":
        raise InputError("CellBlender takes times in seconds, these are steps of a lattice", where="--to")
    counts = folder / "react_data" / SEED
    counts.mkdir(parents=True)
    seconds = recording.time * 1e-3
    for site in recording.sites():
        for species in recording.labels(site, "counts", "species"):
            rows = zip(seconds.tolist(), recording.counts(site, species).tolist(), strict=True)
            (counts / f"{species}.{site}.dat").write_text("".join(f"{t!r} {n!r}\n" for t, n in rows))
    if not any(f"{component}/snapshot" in recording.file for component, _ in recording.sites().values()):
        return
    places = folder / "viz_data" / SEED
    places.mkdir(parents=True)
    sites = list(particles_of(recording))
    digits = len(str(len(seconds)))
    for row in range(len(seconds)):
        blocks: dict[str, list[bytes]] = {}
        for one in sites:
            codes, at = one.at(row)
            for k, name in enumerate(one.species):
                blocks.setdefault(name, []).append(at[codes == k].astype("<f4").tobytes())
        content = struct.pack("<I", VERSION)
        for name, parts in blocks.items():
            coded = name.encode()
            if len(coded) > LONGEST_NAME:
                raise InputError(f'CellBlender takes names of {LONGEST_NAME} characters, "{name}" is longer')
            molecules = b"".join(parts)
            content += struct.pack("<B", len(coded)) + coded + struct.pack("<BI", 0, len(molecules) // 4) + molecules
        (places / f"Scene.cellbin.{row:0{digits}d}.dat").write_bytes(content)


def read_positions(path: Path) -> dict[str, np.ndarray]:
    """Species → (n, 3) µm of a file of positions. Raises InputError for one that is cut or of another version."""
    content = path.read_bytes()
    found: dict[str, np.ndarray] = {}
    try:
        (version,) = struct.unpack_from("<I", content, 0)
        if version != VERSION:
            raise InputError(f"is of version {version}, not {VERSION}", where=str(path))
        at = 4
        while at < len(content):
            (length,) = struct.unpack_from("<B", content, at)
            name = content[at + 1 : at + 1 + length].decode()
            _, n = struct.unpack_from("<BI", content, at + 1 + length)
            at += 6 + length
            found[name] = np.frombuffer(content, dtype="<f4", count=n, offset=at).reshape(-1, 3)
            at += 4 * n
    except (struct.error, ValueError) as error:
        raise InputError(f"is cut or broken: {error}", where=str(path)) from None
    return found
