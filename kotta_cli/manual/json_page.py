"""The reference of what `--json` prints, in `docs/json.md`."""

from __future__ import annotations

from kotta_cli.manual.parts import with_part
from kotta_cli.manual.schemas import ERROR, Schema
from kotta_cli.results import LINES

KEY = "the shapes"


def json_page(text: str, schemas: dict[str, Schema]) -> str:
    """The page with the shapes of all commands."""
    rows = [
        f"| `{path}` | {words_of(each)}{', one a line' if path in LINES else ''} |"
        for path, each in schemas.items()
        if path != ERROR
    ]
    table = "\n".join(["| command | prints |", "|---|---|", *rows])
    shapes = {name: each for schema in schemas.values() for name, each in schema["$defs"].items()}
    sections = [_section(name, shapes) for name in sorted(shapes)]
    return with_part(text, KEY, "\n\n".join([table, *sections]))


def words_of(schema: Schema, page: str = "") -> str:
    """What a schema describes, in words; `page` leads to `docs/json.md`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({page}#{name.lower()})"
    if "anyOf" in schema:
        kinds = [words_of(each, page) for each in schema["anyOf"]]
        lists = [f"list of {kind}" for kind in kinds]
        return " or ".join(
            f"{kind} (or a list)" if each in kinds else kind
            for kind, each in zip(kinds, lists, strict=True)
            if kind not in lists
        )
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {words_of(schema['items'], page)}"
    return "time" if schema.get("format") == "date-time" else str(schema.get("type", "anything"))


def _section(name: str, shapes: dict[str, Schema]) -> str:
    shape = shapes[name]
    head = f"### {name}\n\n{shape.get('description', '')}".rstrip()
    if "properties" not in shape:
        return f"{head}\n\nOne of {words_of(shape)}."
    fields = shape["properties"]
    base = _base(name, shapes)
    if base:
        head += f" It has all fields of [{base}](#{base.lower()}), and:"
        fields = {
            key: each for key, each in fields.items() if key not in shapes[base]["properties"]
        }
    rows = (
        f"| `{field}` | {words_of(each)} | {each.get('description', '')} |"
        for field, each in fields.items()
    )
    return "\n".join([f"{head}\n", "| field | value | meaning |", "|---|---|---|", *rows])


def _base(name: str, shapes: dict[str, Schema]) -> str:
    """The shape whose fields this one begins with, and adds some to; "" if there is none."""
    fields = list(shapes[name]["properties"])
    for other, shape in shapes.items():
        begun = list(shape.get("properties", ()))
        if (
            other != name
            and len(begun) > 1
            and len(begun) < len(fields)
            and fields[: len(begun)] == begun
        ):
            return other
    return ""
