"""The man pages: of `kotta`, and of each command with what its page in `docs/` says."""

from __future__ import annotations

from kotta._version import __version__
from kotta_cli import command_table as table
from kotta_cli import markdown
from kotta_cli.command_shape import CommandShape, Rows
from kotta_cli.manual.parts import without_parts
from kotta_cli.manual.roff import ManPage


def man_page(commands: list[CommandShape], page_text: str) -> str:
    """The man page of a command and those below it."""
    top, *below = commands
    name = top.path.replace(" ", "-")
    page = _begun(name, 1, top.paragraphs[0])
    page.section("Synopsis")
    for command in below or commands:
        page.paragraph(f"`{command.usage}`")
    prose = markdown.blocks(without_parts(page_text))[1:]
    page.section("Description")
    prose = _described(page, top, prose)
    if not below:
        _options(page, top)
    for command in below:
        prose = _command_below(page, command, prose)
    page.blocks(prose)
    if markdown.Heading(2, "Examples") not in prose:
        _examples(page, commands)
    page.section("See also")
    page.paragraph("`kotta`(1)")
    return page.text()


def top_man_page(overview_text: str) -> str:
    """The man page of `kotta`."""
    page = _begun("kotta", 1, table.SUMMARY)
    page.section("Synopsis")
    page.paragraph("`kotta [OPTIONS] COMMAND [ARGS]...`")
    for title, rows in table.COMMANDS.items():
        page.section(f"{title} commands")
        for name, line in rows.items():
            page.term(f"`kotta-{name}`(1)", line)
    page.section("Topics")
    for name, line in table.TOPICS.items():
        page.term(f"`kotta-{name}`(7)", line)
    page.section("Options")
    _terms(page, table.GLOBAL_OPTIONS)
    page.blocks(markdown.blocks(without_parts(overview_text))[2:])
    page.section("Examples")
    _terms(page, table.EXAMPLES)
    return page.text()


def _begun(name: str, section: int, summary: str) -> ManPage:
    page = ManPage(name, section, __version__)
    page.section("Name")
    # man -k and whatis read this line: a name, a minus, a description
    page.paragraph(f"{name} - {summary[0].lower()}{summary[1:].rstrip('.')}")
    return page


def _described(
    page: ManPage, command: CommandShape, prose: list[markdown.Block]
) -> list[markdown.Block]:
    """Add what the command does, as its page has it; the result is what comes after that."""
    end = next((at for at, block in enumerate(prose) if _is_section(block)), len(prose))
    page.paragraph(command.paragraphs[0])
    if end:
        page.blocks(prose[:end])
    else:
        for paragraph in command.paragraphs[1:]:
            page.paragraph(paragraph)
    return prose[end:]


def _command_below(
    page: ManPage, command: CommandShape, prose: list[markdown.Block]
) -> list[markdown.Block]:
    """Add a section for a command below, with what is written of it; the result is the rest."""
    at = prose.index(markdown.Heading(2, command.path))
    page.section(command.path)
    rest = _described(page, command, prose[at + 1 :])
    _options(page, command, are_below=True)
    return prose[:at] + rest


def _is_section(block: markdown.Block) -> bool:
    return isinstance(block, markdown.Heading) and block.level == 2


def _options(page: ManPage, command: CommandShape, *, are_below: bool = False) -> None:
    head = page.subsection if are_below else page.section
    tables = {"Arguments": command.arguments, **command.panels}
    for title, rows in tables.items():
        if rows:
            head(title)
            _terms(page, rows)


def _examples(page: ManPage, commands: list[CommandShape]) -> None:
    rows = {line: meaning for command in commands for line, meaning in command.examples.items()}
    if rows:
        page.section("Examples")
        _terms(page, rows)


def _terms(page: ManPage, rows: Rows) -> None:
    for term, meaning in rows.items():
        page.term(f"`{term}`", meaning)
