"""Files are known by their content, and whoever is given the wrong one hears what it is and what is wanted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from couple.base.errors import InputError
from couple.base.formats import FORMATS, FormatName, recognise, recognise_content
from couple.base.toml import override_value
from couple.experiment import Experiment
from couple.geometry.mask import read_mask
from reducers.training.files import read_training
from support.file_samples import SAMPLES, write
from support.paths import EXAMPLES


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_known_by_its_content_under_any_name(name: FormatName, tmp_path: Path) -> None:
    found = recognise(write(tmp_path, name, ".dat"))
    assert found is not None and found.name == name


@pytest.mark.parametrize("content", [b"", b" \n", b"hello\n", b"\x00" * 100, b"\x80\x81\x82", b"1 2 3\n"])
def test_what_is_of_no_known_format(content: bytes) -> None:
    assert recognise_content(content) is None


def test_what_ships_is_what_its_name_says() -> None:
    kinds = {".toml": {"experiment", "training", "toml"}, ".py": {"python"}, ".hoc": {"hoc"}, ".swc": {"swc"}}
    kinds |= {".mod": {"mod"}, ".h5": {"hdf5"}}
    files = [p for p in EXAMPLES.rglob("*") if p.suffix in kinds]
    assert len(files) > 30
    for path in files:
        found = recognise(path)
        assert found is not None and found.name in kinds[path.suffix], path


def chemistry(path: Path) -> object:
    return Experiment.parse({"chemistry": {"file": path.name}}, path=path.parent / "experiment.toml")


CHEMISTRIES: tuple[FormatName, ...] = ("experiment", "training", "toml", "sbml", "net", "numpy", "csv")
PLACES: dict[str, tuple[Callable[[Path], object], str, set[FormatName], str]] = {
    "experiment": (Experiment.load, ".toml", {"experiment", "training", "toml"}, "an experiment, a TOML file"),
    "training": (read_training, ".toml", {"experiment", "training", "toml"}, "a training, a TOML file"),
    "chemistry": (chemistry, ".toml", {*CHEMISTRIES}, "a chemistry (TOML, SBML"),
    "chemistry in SBML": (chemistry, ".xml", {*CHEMISTRIES}, "a chemistry"),
    "mask": (read_mask, ".npy", {"numpy"}, "an array of NumPy (.npy)"),
}
"""Where a file is taken: what reads it, the suffix that is usual, formats that are taken there, what is wanted."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_wrong_file_is_called_by_its_name(place: str, name: FormatName, tmp_path: Path) -> None:
    read, suffix, taken, wanted = PLACES[place]
    path = write(tmp_path, name, suffix)
    if name in taken:
        return
    with pytest.raises(InputError) as error:
        read(path)
    said = str(error.value)
    assert FORMATS[name].words in said and wanted in said and path.name in said and "\n" not in said


def test_chemistry_is_read_by_what_it_is_and_not_by_its_name(tmp_path: Path) -> None:
    """A .net file under the name of a TOML file lacks its units, which only its own reader asks for."""
    with pytest.raises(InputError, match="does not say its units"):
        chemistry(write(tmp_path, "net", ".toml"))
    with pytest.raises(InputError, match=r"BioNetGen's language .* run BNG2.pl bngl.bngl, and give bngl.net"):
        chemistry(write(tmp_path, "bngl", ".bngl"))


@pytest.mark.parametrize("suffix", [".toml", ".xml", ".npy", ".csv"])
@pytest.mark.parametrize("name", ["csv", "numpy"])
def test_tables_are_transition_matrices_whatever_their_name(name: FormatName, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name}{suffix} is read as a transition matrix and has no lag"):
        chemistry(write(tmp_path, name, suffix))


def test_experiments_and_trainings_are_told_apart() -> None:
    with pytest.raises(InputError, match="is a training, not an experiment: couple train"):
        Experiment.load(EXAMPLES / "sk" / "train.toml")
    with pytest.raises(InputError, match="is an experiment, not a training: couple run"):
        read_training(EXAMPLES / "spine" / "spine.toml")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[site\n", "is not valid TOML"),
        (b"x = " + b"9" * 5000, "is not valid TOML"),
        (b"x = " + b"[" * 100_000, "has tables or brackets in each other without end"),
        (b"x = " + b"[" * 200 + b"]" * 200, "has tables or brackets in each other without end"),
        (b"[" + b".".join([b"a"] * 5000) + b"]", "has tables or brackets in each other without end"),
        (b"x = '\xff'", "is not text in UTF-8"),
        (b"", "is missing"),
    ],
)
def test_toml_with_a_slip_is_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(InputError, match=says):
        Experiment.load(tmp_path / "a.toml")


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no regular file"):
        Experiment.load("/dev/zero")
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="more than 64 MB"):
        Experiment.load(tmp_path / "large.toml")


def test_what_is_deep_in_a_value_of_the_command_line_is_one_line() -> None:
    for deep in (f"a{'.b' * 2000}=1", f"a={'[' * 300}{']' * 300}", "a=" + "{b=" * 200 + "1" + "}" * 200):
        with pytest.raises(InputError, match=r"--set: .* in each other without end"):
            override_value({}, deep)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[site]\nname = 'a'\n", r"site: is one table where a list of them belongs: write \[\[site\]\]"),
        ("[[experiment]]\nname = 'a'\n", r"experiment: is a list of tables where one belongs: write \[experiment\]"),
        ("[network]\n[network.population]\nname = 'E'\n", r"network.population: .* write \[\[network.population\]\]"),
        ("[record]\nvoltages = { a = 1 }\n", "record.voltages: must be a list, like"),
    ],
)
def test_headings_of_one_and_of_several_tables(text: str, says: str, tmp_path: Path) -> None:
    rest = {
        "experiment": "[experiment]\nname = 'a'\nduration = '1 ms'\nexchange = '1 ms'\n",
        "chemistry": "[chemistry]\n",
        "site": "[[site]]\nname = 'a'\nengine = 'ode'\ngeometry.sphere.diameter = '1 um'\n",
    }
    whole = text + "".join(v for k, v in rest.items() if f"[{k}]" not in text)
    (tmp_path / "a.toml").write_text(whole)
    with pytest.raises(InputError, match=says):
        Experiment.load(tmp_path / "a.toml")
