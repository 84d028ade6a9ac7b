"""Pages that are made from the program itself when the site is built: keys, options of engines, commands, the gallery.

A hook of MkDocs (`.mkdocs.yml`); tests call `pages` and `engine_options` without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPTIONS = re.compile(r"^<!-- options of (\w+) -->$", re.M)


# -- hooks -----------------------------------------------------------------------------------------------------------


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the options of an engine into its page."""
    return OPTIONS.sub(lambda mark: engine_options(mark[1]), markdown)


@cache
def pages() -> dict[str, str]:
    """Path in the site → text, of every page that is made."""
    return {
        "reference/keys.md": keys_page(),
        "reference/commands.md": commands_page(),
        "reference/json.md": json_page(),
        "reference/features_of_engines.md": capabilities_page(),
        "gallery.md": gallery_page(),
    }


# -- keys ------------------------------------------------------------------------------------------------------------


KEYS = """# Keys of an experiment

An experiment is one TOML file. Every quantity is text with a unit, any unit of its kind (`"0.1 uM"`, `"100 nM"`); the
table shows the one in which it is understood. An unknown key is an error that names the nearest known one.
`couple explain KEY` prints the same, `couple schema` writes it as a JSON schema for editors; `NAME` stands for a name
of yours. Options of engines stand in `[[site]]` under the name of the engine, and may stay there unused.
"""


def keys_page() -> str:
    """Every table with every key: what it is, unit, default, what is allowed."""
    from couple.cli.experiments.keys import tables
    from couple.cli.experiments.schema import experiment_schema

    whole = experiment_schema()
    parts = [KEYS]
    for table in tables(whole):
        depth = "##" if "." not in table.path else "###"
        parts.append(f"{depth} `{table.heading}` {{ #{_anchor(table.path)} }}\n")
        engine = _engine_of(table.path)
        about = table.about or (f"Options of the engine [`{engine}`](../engines/{engine}.md)." if engine else "")
        parts += [f"{_text(about)}\n"] * bool(about)
        parts.append("\n".join(_key_rows(whole, table)) + "\n")
    return "\n".join(parts)


def engine_options(engine: str) -> str:
    """The table of the options of an engine, for its own page."""
    from couple.cli.experiments.keys import tables
    from couple.cli.experiments.schema import experiment_schema

    whole = experiment_schema()
    found = next((t for t in tables(whole) if t.path == f"site.{engine}"), None)
    if found is None:
        return f"`{engine}` has no options."
    return "\n".join([f"Options, as `{engine}.KEY` in `[[site]]`:\n", *_key_rows(whole, found)])


def _key_rows(whole: Any, table: Any) -> Iterator[str]:
    from couple.cli.experiments.keys import default_of, kind_of, resolved, unit_of

    yield "| key | what it is | kind | unit | default |"
    yield "|---|---|---|---|---|"
    for name, place in table.keys.items():
        here = resolved(whole, place)
        about = str(place.get("description") or here.get("description", ""))
        allowed = ", ".join(f"`{json.dumps(one)}`" for one in here.get("enum", ()))
        kind = f"one of {allowed}" if allowed else kind_of(whole, place)
        default = default_of(place)
        unit = unit_of(whole, place)
        cells = [
            f"`{name}`{{ #{_anchor(table.path)}-{name} }}",
            _text(about),
            f"{kind}{_limits(here)}",
            unit and f"`{unit}`",
            default and f"`{default}`",
        ]
        yield f"| {' | '.join(cells)} |"


def _limits(here: Any) -> str:
    """What a number has to be, in words."""
    words = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}
    found = [f"{word} {here[key]:g}" for key, word in words.items() if key in here]
    return f", {' and '.join(found)}" if found else ""


def _engine_of(path: str) -> str:
    from couple.base import registry

    first, _, rest = path.partition(".")
    return rest if first == "site" and rest in registry.names("couple.engines") else ""


def _anchor(path: str) -> str:
    return path.replace(".", "-")


def _text(said: str) -> str:
    """For a cell of a table: on one line, nothing of it taken for Markdown or HTML."""
    said = " ".join(said.split()).replace("|", "\\|").replace("<", "&lt;")
    parts = said.split("`")
    return "`".join(part if k % 2 else re.sub(r"([*_\[\]])", r"\\\1", part) for k, part in enumerate(parts))


# -- commands --------------------------------------------------------------------------------------------------------


def command_tree() -> dict[str, Any]:
    """Every command that can be typed, by its words behind `couple`."""
    from couple.cli.main import whole_app

    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", {})
        if words:
            found[" ".join(words)] = command
        for name, one in sorted(inner.items()):
            walk(one, (*words, name))

    walk(whole_app(), ())
    return found


COMMANDS = """# Commands

`couple --help` and `couple COMMAND --help` print the same. `python -m couple` is another way to call it,
`couple --install-completion` teaches your shell the names; `couple --version` prints the version.

Every command ends with an [exit code](exit_codes.md); those with `--json` print [one JSON document](json.md) to the
standard output and nothing else there.
"""


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = [COMMANDS]
    for words, command in command_tree().items():
        parts.append(f"## `couple {words}` {{ #{words.replace(' ', '-')} }}\n")
        parts.append(f"{_text(command.help or '')}\n")
        rows = [_parameter(p) for p in command.params]
        if rows:
            parts.append("\n".join(["| | what it is | default |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _parameter(parameter: Any) -> str:
    """A row: an argument in capitals, an option with all of its names."""
    names: Sequence[str] = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        shown = ", ".join(f"`{name}`" for name in names)
        if not getattr(parameter, "is_flag", False):
            shown += f" `{parameter.metavar or _kind(parameter)}`"
    default = parameter.default
    told = "" if default in (None, False, "") or callable(default) or not str(default) else f"`{default}`"
    return f"| {shown} | {_text(getattr(parameter, 'help', '') or '')} | {told} |"


def _kind(parameter: Any) -> str:
    """What an option takes, where it has no word of its own for it."""
    words = {"Path": "PATH", "int": "N", "float": "NUMBER"}
    given = getattr(getattr(parameter, "type_descriptor", None), "annotation", str)
    return next((word for name, word in words.items() if name in str(getattr(given, "__name__", given))), "TEXT")


# -- what --json prints ------------------------------------------------------------------------------------------------


JSON = """# JSON

With `--json` a command prints one JSON document to standard output and nothing else there; what a model prints goes
to standard error. Numbers are plain; their names say the unit (`simulated_ms`, `cpu_seconds`) or stand beside one
(`unit`). What is not known, or not finite, is `null`. Errors stay one line on standard error, with the
[exit code](exit_codes.md).

`couple schema COMMAND` prints the JSON schema of a command's document, which a test holds every command against; keys
that have a default may be missing. `couple schema` alone is that of experiment files.
"""


def json_page() -> str:
    """What each command prints with --json, then the tables that stand in these."""
    from couple.cli.output.document import document_schema

    parts, inner = [JSON], dict[str, Any]()
    for words, command in command_tree().items():
        schema = document_schema(command.callback)
        if schema is None or getattr(command, "commands", None):
            continue
        inner |= schema.get("$defs", {})
        parts.append(f"## `couple {words}` {{ #{words.replace(' ', '-')} }}\n")
        parts.append(_document(schema))
    parts.append("## Tables in them { #tables }\n")
    for name, table in sorted(inner.items()):
        parts.append(f"### {_short(name)} {{ #table-{_short(name)} }}\n\n{_text(table.get('description', ''))}\n")
        parts.append(_properties(table))
    return "\n".join(parts)


def _document(schema: Any) -> str:
    """A table of keys, or which tables it is made of."""
    if "properties" in schema:
        return f"{_text(schema.get('description', ''))}\n\n{_properties(schema)}"
    if schema.get("additionalProperties") is True:
        return "A JSON schema.\n"
    said = _kind_of_json(schema)
    return f"{said[:1].upper()}{said[1:]}.\n"


def _properties(table: Any) -> str:
    rows = ["| key | what it is | kind |", "|---|---|---|"]
    for key, place in table.get("properties", {}).items():
        rows.append(f"| `{key}` | {_text(place.get('description', ''))} | {_kind_of_json(place)} |")
    return "\n".join(rows) + "\n"


def _kind_of_json(place: Any) -> str:
    """In words, with links to tables: "a list of [Side](#Side)"."""
    words = {
        "string": "text",
        "number": "number",
        "integer": "whole number",
        "boolean": "true or false",
        "null": "null",
    }
    if "$ref" in place:
        name = _short(place["$ref"].rpartition("/")[2])
        return f"[{name}](#table-{name})"
    if "anyOf" in place:
        return " or ".join(dict.fromkeys(_kind_of_json(one) for one in place["anyOf"]))
    if "enum" in place or "const" in place:
        return ", ".join(f"`{one}`" for one in place.get("enum", [place.get("const")]))
    if place.get("type") == "array":
        items = place.get("items") or next(iter(place.get("prefixItems", ())), {})
        return f"list of {_kind_of_json(items)}"
    if place.get("type") == "object":
        entry = place.get("additionalProperties")
        return f"names, each with {_kind_of_json(entry)}" if isinstance(entry, dict) else "table"
    return words.get(str(place.get("type")), "any")


def _short(name: str) -> str:
    return name.removesuffix("Output")


# -- engines ---------------------------------------------------------------------------------------------------------


CAPABILITIES = """# What each engine can do

Made from the engines that are installed. *Whole ions*: molecules are counted, and random. *Space*: a site has more than
one place in it. *Rate laws*: reactions that are no mass action. *Along sections*: one site over whole sections
(`sections = [...]`). *Ranks*: several ranks may solve one site together.
"""


def capabilities_page() -> str:
    """A table of engines by what their classes declare."""
    from couple.base import registry
    from couple.base.errors import MissingDependencyError
    from couple.components.capabilities import AsksForRanks, BringsGeometry, ContainsNecks, ResolvesCables

    names = {"own geometry": BringsGeometry, "necks": ContainsNecks, "along sections": ResolvesCables,
             "ranks": AsksForRanks}  # fmt: skip
    rows = ["| engine | whole ions | space | rate laws | " + " | ".join(names) + " |", "|---" * (4 + len(names)) + "|"]
    for engine in registry.names("couple.engines"):
        try:
            made = registry.load("couple.engines", engine)
        except MissingDependencyError:
            rows.append(f"| `{engine}` | not installed here |" + " |" * (2 + len(names)))
            continue
        held = [made.integer, made.spatial, made.rate_laws, *(issubclass(made, one) for one in names.values())]
        link = f"[`{engine}`](../engines/{engine}.md)"
        rows.append(f"| {link} | " + " | ".join("yes" if one else "" for one in held) + " |")
    return CAPABILITIES + "\n" + "\n".join(rows) + "\n"


# -- gallery ---------------------------------------------------------------------------------------------------------


GALLERY = """# Gallery

Each of these comes with `couple` (`couple examples copy NAME`). Times are CPU seconds of the whole command on
{machine}, with kernels and mechanisms compiled before. `docs/draw_gallery.py` draws the figures and measures the times.
"""


def _source(path: Path) -> str:
    """A file, folded."""
    text = (HERE.parent / path).read_text().rstrip()
    inside = "\n".join(f"    {line}".rstrip() for line in ["```toml", *text.splitlines(), "```"])
    return f'??? example "{path}"\n\n{inside}\n'


def gallery_page() -> str:
    """Figure, command, time and source of every example."""
    measured = json.loads((HERE / "gallery.json").read_text())
    parts = [GALLERY.format(machine=measured["machine"])]
    for entry in measured["examples"]:
        folder = entry["folder"]
        parts.append(f"## {entry['title']}\n\n{entry['about']}\n")
        picture = HERE / "gallery" / f"{entry['name']}.png"
        if picture.is_file():
            parts.append(f"![{entry['title']}](gallery/{picture.name})\n")
        parts.append(f"```sh\n{entry['command']}\n```\n")
        took = f"{entry['seconds']:g} s of CPU time. " if entry["seconds"] else ""
        parts.append(f"{took}Source: `examples/{folder}`.\n")
        parts.append(_source(Path("examples") / folder / entry["file"]))
    return "\n".join(parts)
