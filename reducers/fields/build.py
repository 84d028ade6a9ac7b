"""From the tables of a field's training file to data, basis and law."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from couple.base.errors import CoupleError, InputError
from couple.base.registry import load
from couple.ensemble.ranks import map_over_ranks
from reducers.data.sources import load_ensembles
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.laws.law import Law
from reducers.dbd.laws.polynomial import Polynomial
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.cross_validation import choose_prior, folds_of
from reducers.fields.density.estimates import Prior
from reducers.fields.density.particles import ParticleRuns
from reducers.fields.laws.law import PLACES, FieldLaw, LawTerm, diffusion, reactions
from reducers.fields.laws.stepper import FieldStepper
from reducers.fields.settings import FieldDataBlock, FieldLawBlock, FieldModelBlock
from reducers.training.resumable import Tell


def build_data(block: FieldDataBlock, beside: Path, folder: Path, seed: int, tell: Tell) -> list[ParticleRuns]:
    """The particles of each initial condition. Raises InputError for what is missing or does not fit."""
    if block.particles:
        found = [ParticleRuns.load(beside / name) for name in block.particles]
    else:
        found = [
            ParticleRuns.of_lattice(e, block.spacing, block.origin)
            for e in load_ensembles(block, beside, folder, seed, tell)
        ]
    return [_cut(p, block) for p in found]


def _cut(particles: ParticleRuns, block: FieldDataBlock) -> ParticleRuns:
    last = len(particles.time) - 1 if block.until is None else block.until
    if last >= len(particles.time) or last <= block.first:
        raise InputError(
            f"the runs have {len(particles.time)} times; rows {block.first} to {last} cannot be taken", where="data"
        )
    cut = particles.thinned(np.arange(block.first, last + 1, block.every))
    return cut if block.axes is None else cut.along(block.axes)


def build_basis(block: FieldModelBlock, beside: Path) -> FieldBasis:
    """The elements, from whoever registered them. Raises InputError, also if they are not installed."""
    map_over_ranks(partial(_begin, block.basis))
    try:
        made: FieldBasis = load("couple.fields", block.basis)(block.mesh, beside)
    except InputError as error:
        raise error.at("model") if error.where.startswith("mesh") else error from None
    return made


def _begin(basis: str, _rank: int, _ranks: int) -> None:
    """PETSc begins on all ranks together, or waits for ever; whoever uses it says what is wrong with it."""
    with suppress(CoupleError):
        load("couple.fields", basis)


def build_priors(
    block: FieldModelBlock, particles: ParticleRuns, basis: FieldBasis, seed: int, *, couple: bool = False
) -> list[Prior]:
    """The prior of each species, given or by cross-validation."""
    if block.smooth != "auto":
        return [Prior(block.prior, block.smooth)] * len(particles.species)
    folds = folds_of(particles, basis, seed)
    return [
        choose_prior(basis, folds, a, particles.time, block.prior, couple=couple) for a in range(len(particles.species))
    ]


def build_law(block: FieldLawBlock, species: tuple[str, ...]) -> FieldLaw:
    """The law, its coefficients zero."""
    terms = [diffusion(species)] if block.diffusion else []
    unit = np.eye(3)
    for g, place in enumerate(PLACES):
        family = getattr(block, place)
        if family != "none":
            if block.diffusion and g > 0:
                raise InputError(f"diffusion = true stands for F1 and F2: leave {place} out", where=f"law.{place}")
            factors = (float(unit[g, 0]), float(unit[g, 1]), float(unit[g, 2]))
            terms.append(LawTerm(place, _family(family, block, species), factors))
    if block.reactions:
        terms.append(reactions(species, block.reactions))
    return FieldLaw(species, terms)


def _family(family: str, block: FieldLawBlock, species: tuple[str, ...]) -> Law:
    if family == "constant":
        return Polynomial(species, species, 0)
    if len(species) > 1:
        raise InputError(
            f'"{family}" families are of one species, not of {", ".join(species)}: use constants and reactions',
            where="law",
        )
    if family == "polynomial":
        return Polynomial(species, species, block.degree)
    return Hermite(species, species, block.side, [0.0])


def build_stepper(block: FieldLawBlock, basis: FieldBasis, law: FieldLaw) -> FieldStepper:
    """The integrator of the law, with form, method and substeps of [law]."""
    return FieldStepper(basis, law, form=block.form, method=block.method, substeps=block.substeps)
