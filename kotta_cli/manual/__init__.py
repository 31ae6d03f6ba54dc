"""Makes the manual from the command tree, so that it always knows what the commands know.

`python -m kotta_cli.manual` writes the made parts of the pages in `docs/`, the man pages in `man/`,
and the schemas of what `--json` prints; a test holds them equal to what is made here. What people
write stands in the same pages, outside of the marked parts, and is kept.
"""

from __future__ import annotations

from pathlib import Path

from kotta_cli.command_table import command_names
from kotta_cli.manual.json_page import json_page
from kotta_cli.manual.man_pages import man_page, top_man_page
from kotta_cli.manual.overview import overview
from kotta_cli.manual.pages import page, shapes
from kotta_cli.manual.schemas import file_name, schemas, text_of

PAGES = Path("docs/commands")
MAN = Path("man/man1")
JSON_PAGE = Path("docs/json.md")
SCHEMAS = Path("kotta_cli/schemas")


def manual(root: Path) -> dict[Path, str]:
    """Every file that is made or has made parts, as it should be; paths are below `root`."""
    made = schemas()
    files = {SCHEMAS / file_name(path): text_of(schema) for path, schema in made.items()}
    files[JSON_PAGE] = json_page(_text(root / JSON_PAGE), made)
    for name in command_names():
        commands = shapes(name)
        path = PAGES / f"{name}.md"
        files[path] = page(commands, made, _text(root / path))
        files[MAN / f"kotta-{name}.1"] = man_page(commands, files[path])
    for path, below in ((PAGES / "README.md", ""), (Path("README.md"), f"{PAGES}/")):
        files[path] = overview(_text(root / path), below)
    files[MAN / "kotta.1"] = top_man_page(files[PAGES / "README.md"])
    return files


def leftovers(root: Path) -> list[Path]:
    """Man pages of what there is no more, below `root`."""
    made = manual(root)
    return [
        path for path in sorted((root / "man").rglob("*.?")) if path.relative_to(root) not in made
    ]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
