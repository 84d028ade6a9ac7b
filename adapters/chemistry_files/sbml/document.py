"""SBML (levels 1 to 3) through libsbml: the file opened, its packages dealt with, and handed to `model`.

What a file marks as required is never skipped: submodels (package comp) are flattened by libsbml's own converter, any
other required package is refused by name. Function definitions are expanded likewise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.chemistry_files.model import read_units
from adapters.chemistry_files.sbml.model import SbmlModel
from couple.base.errors import InputError, MissingDependencyError
from couple.base.formats import instead_of

HARMLESS = ("EmptyListElement", "EmptyListOfUnits", "EmptyListInReaction", "EmptyListInKineticLaw", "OneOfEachListOf")
"""Names of libsbml's errors of form that change nothing of what a file says, and that all simulators read."""

READ_PACKAGES = ("comp", "l3v2extendedmath")


def read_sbml(path: Path, units: object = None) -> dict[str, Any]:
    """The content of `[chemistry]` from an SBML file.

    units: the table `chemistry.units`, for what the file leaves open.
    Raises InputError that names the file and what is not read; MissingDependencyError without libsbml.
    """
    try:
        import libsbml
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f'"{path.name}": SBML needs libsbml, which is not installed: uv pip install python-libsbml'
        ) from None
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    if found := instead_of(path, "sbml"):
        raise InputError(f"{found}; an SBML model is expected here", where=str(path))
    document = libsbml.readSBMLFromFile(str(path.absolute()))  # models beside it are found by this
    try:
        _check_packages(document)
        _check_errors(libsbml, document)
        if document.getPlugin("comp") is not None:
            _convert(libsbml, document, "flatten comp", "submodels (package comp)")
        _convert(libsbml, document, "expandFunctionDefinitions", "function definitions")
        given = read_units(units, path.name)
        if given is not None and given.compartments:
            raise InputError("SBML gives sizes of compartments itself: leave them out", where="chemistry.units.volume")
        return SbmlModel(libsbml, document.getModel(), given).counts().chemistry()
    except InputError as error:
        raise error.inside(str(path)) from None


def _check_errors(libsbml: Any, document: Any) -> None:
    harmless = {getattr(libsbml, name) for name in HARMLESS if hasattr(libsbml, name)}
    errors = document.getErrorLog()
    for k in range(errors.getNumErrors()):
        error = errors.getError(k)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and error.getErrorId() not in harmless:
            message = " ".join(error.getMessage().split())
            raise InputError(f"line {error.getLine()}: is not valid SBML: {message}")


def _check_packages(document: Any) -> None:
    """Raise InputError for packages that a file requires and that are not read."""
    if document.getLevel() < 3:
        return  # what such files hold of packages stands in annotations
    named = [document.getPlugin(k).getPackageName() for k in range(document.getNumPlugins())]
    named += [document.getUnknownPackagePrefix(k) for k in range(document.getNumUnknownPackages())]
    for name in named:
        if document.getPackageRequired(name) and name not in READ_PACKAGES:
            raise InputError(f'requires the SBML package "{name}", which is not read')


def _convert(libsbml: Any, document: Any, option: str, what: str) -> None:
    """Apply one of libsbml's converters. Raises InputError with its first complaint."""
    properties = libsbml.ConversionProperties()
    properties.addOption(option, True)
    if option == "flatten comp":
        properties.addOption("performValidation", False)
        properties.addOption("leavePorts", False)
    before = document.getNumErrors()
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        said = [" ".join(document.getError(k).getMessage().split()) for k in range(before, document.getNumErrors())]
        said = [text for text in said if not text.startswith("Errors arose")]  # which only says that more follow
        raise InputError(f"its {what} cannot be resolved by libsbml" + (f": {said[0]}" if said else ""))
