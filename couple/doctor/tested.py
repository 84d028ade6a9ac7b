"""The versions with which the tests and the README's figures were made; a test compares them with pyproject.toml."""

PYTHON = ("3.12", "3.12")
"""Oldest and newest minor version."""

NEEDED = {
    "h5py": "3.16.0",
    "matplotlib": "3.11.2",
    "neuron": "9.0.2",
    "numba": "0.68.1",
    "numpy": "2.5.5",
    "pint": "0.26.2",
    "pydantic": "2.14.3",
    "rich": "15.0.0",
    "scipy": "1.18.1",
    "typer": "0.29.2",
}

OPTIONAL = {"cma": "4.5.0", "efel": "5.7.34", "flowjax": "19.1.2", "xarray": "2026.9.0"}
