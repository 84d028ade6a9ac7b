"""The reference is whole: every key of an experiment, every option of every command, every engine."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from couple.base import registry
from couple.cli.experiments.schema import experiment_schema
from couple.cli.main import app, whole_app
from couple.experiment import Experiment
from support.doc_pages import DOCS, generated_pages
from support.paths import ROOT


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a type names."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def fields(table: type[BaseModel], path: str, inside: tuple[type, ...] = ()) -> Iterator[str]:
    """Paths of all keys, by the fields of the models and not by their schema."""
    if table in inside:
        return
    for name, field in table.model_fields.items():
        key = f"{path}-{field.alias or name}".lstrip("-")
        if key in ("site-options", "site-adaptive-options"):
            continue
        if path:
            yield key
        for inner in models(field.annotation):
            below = f"{key}-NAME" if "dict" in str(field.annotation) and not key.endswith("NAME") else key
            yield from fields(inner, below, (*inside, table))


def test_every_key_is_there() -> None:
    text = generated_pages().keys_page()
    shown = set(re.findall(r"`\{ #([\w-]+) \}", text))
    wanted = {*fields(Experiment, "")}
    for name in registry.names("couple.engines"):
        wanted |= {*fields(registry.load("couple.engines", name).Options, f"site-{name}")}
    assert len(wanted) > 150
    assert not wanted - shown


def test_every_definition_of_the_schema_is_there() -> None:
    """The other way: by the JSON schema that editors get."""
    text = generated_pages().keys_page()
    shown = {one.rpartition("-")[2] for one in re.findall(r"`\{ #([\w-]+) \}", text)}
    keys = {
        key
        for place in experiment_schema()["$defs"].values()
        for one in (place, *place.get("anyOf", ()))
        for key in one.get("properties", {})
    }
    assert keys and not keys - shown


def test_every_command_and_option_is_there() -> None:
    text = generated_pages().commands_page()
    sections = {m[1]: m[2] for m in re.finditer(r"^## `couple ([\w -]+)`.*?\n(.*?)(?=^## |\Z)", text, re.M | re.S)}
    commands: dict[str, Any] = dict(whole_app().commands)
    for name, group in [*commands.items()]:
        if inner := getattr(group, "commands", None):
            del commands[name]
            commands |= {f"{name} {key}": one for key, one in inner.items()}
    assert {*commands} <= {*sections} and len(commands) > 15
    for name, command in commands.items():
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                shown = f"`{option}`" if option.startswith("-") else f"`{parameter.metavar or option.upper()}`"
                assert shown in sections[name], f"couple {name}: {option}"
    own = [c for c in app.registered_commands if c.callback is not None]
    assert own and all(inspect.getdoc(c.callback) for c in own)


def test_every_engine_has_a_page_with_its_options() -> None:
    for name in registry.names("couple.engines"):
        page = DOCS / "engines" / f"{name}.md"
        text = page.read_text()
        assert f"<!-- options of {name} -->" in text
        assert all(f"**{word}.**" in text for word in ("Method", "Limits", "Cost")), name
        made = generated_pages().on_page_markdown(text)
        options: Mapping[str, Any] = registry.load("couple.engines", name).Options.model_fields
        assert all(
            f"`{key}`{{ #site-{name}-{key} }}" in made for key in options if key != "options" or name == "adaptive"
        )


def test_the_menu_names_every_page() -> None:
    menu = yaml.safe_load((ROOT / ".mkdocs.yml").read_text())["nav"]

    def files(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from files(one)

    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert written | {*generated_pages().pages()} == {*files(menu)}
