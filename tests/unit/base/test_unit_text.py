"""The grammar of quantities: what it reads, and that nothing else is worked out."""

import time

import pytest

from couple.base.errors import InputError
from couple.base.unit_text import read_unit, split_list, split_quantity
from couple.base.units import CANONICAL, celsius, interval, quantities, quantity


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("", ()),
        ("ms", (("ms", 1),)),
        ("/M/s", (("M", -1), ("s", -1))),
        ("1/um^2", (("um", -2),)),
        ("um**3 / ms", (("um", 3), ("ms", -1))),
        ("ohm cm", (("ohm", 1), ("cm", 1))),
        ("S/cm²", (("S", 1), ("cm", -2))),
        ("um^2 ms^-1", (("um", 2), ("ms", -1))),
        ("mmol/(L s)", (("mmol", 1), ("L", -1), ("s", -1))),
        ("(um/ms)^(2)", (("um", 2), ("ms", -2))),
        ("µm⁻²", (("µm", -2),)),
    ],
)
def test_units(text: str, factors: tuple[tuple[str, int], ...]) -> None:
    assert read_unit(text) == factors


ABSURD = [
    *["ms/0", "ms^(9**9**9)", "m**9999999", "ms^99", "ms # c", "m" * 100_000, "(" * 1000 + "m", "/" * 50, "m*", "^2"],
    *[
        "2 ms",
        "2*ms",
        "ms ms ms ms ms ms ms ms ms ms ms ms ms",
        "__import__('os')",
        "m;m",
        "m,m",
        "1.5/ms",
        "ms)",
        "(ms",
    ],
    *["ms^2.5", "ms^^2", "lambda: m", "½", "m\nm\x00", "[m]", "ms^", "()"],
]


@pytest.mark.parametrize("unit", ABSURD, ids=range(len(ABSURD)))
def test_what_is_no_unit_is_refused_at_once_in_one_short_line(unit: str) -> None:
    begun = time.perf_counter()
    for dimension in CANONICAL:
        with pytest.raises(InputError) as error:
            quantity(f"1 {unit}", dimension)
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize(
    "text", ["", "ms", "nan ms", "inf ms", "1e999999 ms", "٣ ms", "1_0 ms", "0x10 ms", "1" * 5000 + " ms", "1 ms 2"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        quantity(text, "time")
    with pytest.raises(InputError):
        quantities(text, "time")


@pytest.mark.parametrize("unit", ["degC", "degF", "delta_degC", "dB", "dBm", "Np", "pH", "K"])
def test_scales_with_an_offset_or_a_logarithm_are_no_lengths(unit: str) -> None:
    with pytest.raises(InputError):
        quantity(f"1 {unit}", "length")


def test_a_number_without_a_unit_is_told_so() -> None:
    with pytest.raises(InputError, match=r'^"5" has no unit; give a time, like "1 ms"$'):
        quantity("5", "time")
    with pytest.raises(InputError, match='"0 5" has no unit'):
        quantities("0 5", "time")


def test_steps_count_simulated_time_alone() -> None:
    assert quantity("5 steps", "simulated time") == quantity("5steps", "simulated time") == 5.0
    with pytest.raises(InputError, match='unknown unit "steps"'):
        quantity("5 steps", "time")


def test_lists() -> None:
    assert split_list("0 2 10 ms") == ([0.0, 2.0, 10.0], "ms")
    assert split_list("490 1/ms") == ([490.0], "1/ms")
    assert split_list("1ms") == ([1.0], "ms")
    assert split_list("ms 1") is None
    begun = time.perf_counter()
    assert len(quantities("1 " * 200_000 + "ms", "time")) == 200_000
    assert time.perf_counter() - begun < 5


def test_intervals_share_a_unit() -> None:
    assert interval("1 .. 3 ms", "time") == (1.0, 3.0)
    assert interval("1ms..3ms", "time") == (1.0, 3.0)
    assert interval("1 us .. 3 ms", "time") == (pytest.approx(1e-3), 3.0)
    for text in ("1 .. ", "..", "1 ms", "1 .. 2 .. 3 ms", "1 .. 3", None):
        with pytest.raises(InputError, match="give two numbers"):
            interval(text, "time")


def test_temperatures() -> None:
    assert celsius("22 celsius") == 22.0 and celsius("295.15 K") == pytest.approx(22.0)
    for text in ("22", "22 F", "nan K", "1e9 K", "-300 celsius", None):
        with pytest.raises(InputError):
            celsius(text)


def test_the_limits_leave_what_is_needed() -> None:
    """The control: nothing that fits is refused."""
    assert split_quantity("-1.2345678901234567e-300 um") == (-1.2345678901234567e-300, "um")
    assert quantity("1 millimolar/millisecond", "rate of zeroth order") == pytest.approx(1.0)
