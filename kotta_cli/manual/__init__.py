"""Makes the manual from the command tree, so that it always knows what the commands know.

`python -m kotta_cli.manual` writes the made parts of the pages in `docs/`, the man pages in `man/`,
and the schemas of what `--json` prints; a test holds them equal to what is made here. What people
write stands in the same pages, outside of the marked parts, and is kept.
"""

from __future__ import annotations

from pathlib import Path

from kotta_cli.command_table import TOPICS, command_names
from kotta_cli.manual.json_page import json_page
from kotta_cli.manual.man_pages import man_page, top_man_page
from kotta_cli.manual.overview import overview
from kotta_cli.manual.pages import page, shapes
from kotta_cli.manual.schemas import file_name, schemas, text_of
from kotta_cli.manual.topics import topic_man_page, topic_text

PAGES = Path("docs/commands")
MAN = Path("man/man1")
MAN_TOPICS = Path("man/man7")
TOPIC_TEXTS = Path("kotta_cli/topics")
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
    for name in TOPICS:
        text = topic_text(name, root)
        files[TOPIC_TEXTS / f"{name}.md"] = text
        files[MAN_TOPICS / f"kotta-{name}.7"] = topic_man_page(name, text)
    files[MAN / "kotta.1"] = top_man_page(files[PAGES / "README.md"])
    return files


def leftovers(root: Path) -> list[Path]:
    """Made files of what there is no more, below `root`."""
    made = manual(root)
    found = [
        *(root / "man").rglob("*.?"),
        *(root / SCHEMAS).glob("*.json"),
        *(root / TOPIC_TEXTS).glob("*.md"),
    ]
    return [path for path in sorted(found) if path.relative_to(root) not in made]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
