"""Quantities are checked and converted once."""

import pytest

from couple.base.errors import InputError
from couple.base.units import ELEMENTARY_CHARGES_PER_FC, quantities, quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("0.1 uM", "concentration", 1e-4),
        ("220 um^2/s", "diffusion coefficient", 0.22),
        ("2.47e8 /M/s", "rate of second order", 247.0),
        ("200 /uM/s", "rate of second order", 200.0),
        ("524 /s", "rate of first order", 0.524),
        ("1000 /um^2", "surface density", 1000.0),
        ("10 nm", "length", 0.01),
        ("10 pS", "conductance", 10.0),
        ("-65 mV", "voltage", -65.0),
        ("490 /ms", "count per time", 490.0),
        ("0.3 s", "time", 300.0),
    ],
)
def test_quantities_are_converted_to_the_kernel_system(text: str, dimension: str, value: float) -> None:
    assert quantity(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "given", ["1", "1 mV", "uM", "1 flurb", "nan uM", "1e999 uM", "2*3 uM", "", 5, None, "1 uM; 2"]
)
def test_anything_else_is_one_clear_line(given: object) -> None:
    with pytest.raises(InputError) as error:
        quantity(given, "concentration")
    assert "\n" not in str(error.value) and "mM" in str(error.value) + " mM"


def test_lists_share_one_unit() -> None:
    assert quantities("0 2 10 ms", "time") == (0.0, 2.0, 10.0)
    with pytest.raises(InputError):
        quantities("ms", "time")


def test_one_picoampere_of_calcium_for_a_millisecond() -> None:
    assert pytest.approx(3120.754537, rel=1e-9) == ELEMENTARY_CHARGES_PER_FC / 2
