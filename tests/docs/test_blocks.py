"""What the documentation shows can be typed: its blocks parse, and what they name exists."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

import couple
from couple.cli.experiments.keys import below
from couple.cli.experiments.schema import experiment_schema
from reducers.inference.problem.settings import InferenceFile
from reducers.population.comparison.settings import PopulationFile
from support.doc_pages import CodeBlock, all_blocks, generated_pages, included, pages
from support.paths import ROOT

BLOCKS = all_blocks()
OTHERS = {"infer": InferenceFile, "population": PopulationFile}
"""Tables of files that are no experiments."""
LANGUAGES = {"toml", "python", "sh", "bash", "text", "dockerfile", "yaml"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return experiment_schema()


def without_required(place: Any) -> Any:
    """A schema for a part of a file."""
    if isinstance(place, dict):
        return {k: without_required(v) for k, v in place.items() if k != "required"}
    return [without_required(one) for one in place] if isinstance(place, list) else place


def of(*languages: str) -> list[CodeBlock]:
    found = [block for block in BLOCKS if block.language in languages]
    assert found
    return found


def test_all_are_of_known_languages() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES
    assert all(path.is_file() for page in pages() for path in included(page))


def test_toml_is_valid(schema: dict[str, Any]) -> None:
    whole = jsonschema.Draft202012Validator(schema)
    part = jsonschema.Draft202012Validator(without_required(schema))
    wrong = []
    for block in of("toml"):
        content = tomllib.loads(block.body)
        if other := OTHERS.keys() & content.keys():
            assert OTHERS[other.pop()].model_validate(content)
            continue
        checker = whole if {"experiment", "site"} <= content.keys() else part
        wrong += [f"{block.page}: {error.message[:200]}\n{block.body}" for error in checker.iter_errors(content)]
    assert not wrong, "\n".join(wrong)


def test_an_unknown_key_is_found(schema: dict[str, Any]) -> None:
    """The control."""
    part = jsonschema.Draft202012Validator(without_required(schema))
    assert [*part.iter_errors(tomllib.loads('[record]\nevry = "1 ms"'))]
    assert not [*part.iter_errors(tomllib.loads('[record]\nevery = "1 ms"'))]


def command_lines(block: CodeBlock) -> Iterator[list[str]]:
    """The words behind `couple` of each line that calls it."""
    for line in block.body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for k, word in enumerate(words):
            if word == "couple" and (
                k == 0 or words[k - 1] in ("run", "exec") or words[0] in ("mpiexec", "srun", "uv")
            ):
                yield words[k + 1 :]
                break


def test_commands_exist_with_their_options() -> None:
    tree, seen = generated_pages().command_tree(), 0
    for block in of("sh", "bash"):
        for words in command_lines(block):
            if words[0] == "--version":
                continue
            name = max((n for n in tree if words[: len(n.split())] == n.split()), key=len, default=None)
            assert name is not None, f"{block.page}: couple {' '.join(words)}"
            known = {o for p in tree[name].params for o in (*p.opts, *p.secondary_opts)}
            asked = {w.partition("=")[0] for w in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", w)}
            assert asked <= known, f"{block.page}: couple {name}: {asked - known}"
            seen += 1
    assert seen > 40


def test_changed_keys_exist(schema: dict[str, Any]) -> None:
    seen = 0
    for block in of("sh", "bash"):
        for words in command_lines(block):
            if words[0] == "train":
                continue
            for word in words[1:]:
                for change in word.split(";"):
                    if re.match(r"[a-z]+(\.\w+)+=", change):
                        place: Any = schema
                        for key in change.partition("=")[0].split("."):
                            place = below(schema, place, key)
                            assert place is not None, f"{block.page}: {change}"
                        seen += 1
    assert seen > 15


def test_files_for_packagers_say_what_the_package_says() -> None:
    """The recipe and the Containerfile of the page on installing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (recipe,) = (yaml.safe_load(block.body) for block in of("yaml"))
    conda = {"matplotlib-base": "matplotlib"}
    needed = {
        conda.get(name, name): bound for name, _, bound in (n.partition(" ") for n in recipe["requirements"]["run"])
    }
    python, given = (
        needed.pop("python"),
        dict(re.findall(r"^([\w-]+)(>=.*)$", "\n".join(project["dependencies"]), re.M)),
    )
    assert python == project["requires-python"] and needed.keys() == given.keys()
    assert all(given[name].startswith(bound) for name, bound in needed.items())
    assert recipe["package"] == {"name": project["name"], "version": project["version"]}
    assert recipe["build"]["entry_points"] == [f"couple = {project['scripts']['couple']}"]
    (container,) = of("dockerfile")
    (extras,) = re.findall(r"/src\[(.*?)\]", container.body)
    assert {*extras.split(",")} <= project["optional-dependencies"].keys()
    assert f"FROM python:{python.removeprefix('>=')}-slim\n" in container.body


def test_scripts_of_clusters_parse() -> None:
    for page in pages():
        for path in included(page):
            if path.suffix == ".slurm":
                subprocess.run(["bash", "-n", str(path)], check=True)


def test_python_compiles_and_imports_what_there_is() -> None:
    for block in of("python"):
        for node in ast.walk(ast.parse(block.body)):
            if isinstance(node, ast.ImportFrom) and node.module == "couple":
                assert {alias.name for alias in node.names} <= {*couple.__all__}, block.page
