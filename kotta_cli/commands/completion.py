"""`kotta completion`: teaches a shell about kotta."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, UsageProblem, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.completion_install import Place
    from kotta_cli.context import App

app = command_app("Install completion for a shell, or print its script.")

ShellArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SHELL", help="bash, zsh or fish; yours if left out.", show_default=False
    ),
]
_HOW = {
    "bash": "In ~/.bashrc, without an installation",
    "zsh": "In ~/.zshrc, after compinit",
    "fish": "In config.fish",
}
_AGAIN = {"bash": "exec bash", "zsh": "exec zsh", "fish": "exec fish"}


@app.callback()
def completion(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), color=ctx.color)


@app.command(
    "install",
    cls=Command,
    epilog=examples(
        {
            "kotta completion install": "For your shell",
            "kotta completion install zsh --rc": "And let .zshrc load it",
        }
    ),
)
def install(
    ctx: typer.Context,
    shell: ShellArgument = None,
    rc: Annotated[
        bool, typer.Option("--rc", help="Let the shell's start-up file load it.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Put the completion script where the shell finds it.

    With it, Tab completes commands, options and their values, jobs and their outputs. Start-up
    files are left alone, unless you say --rc. Done again, it brings the script up to date.
    """
    from kotta_cli import completion_install as installing

    app: App = ctx.obj
    app.as_json = as_json
    place = installing.place_of(_shell(shell))
    is_new = installing.install(place)
    is_added = rc and installing.add_to_rc(place)
    _say(app, place, "installed" if is_new else "is up to date", changed=is_new or is_added)
    if not as_json:
        if is_added:
            app.note(f"{place.rc} loads it.")
        _say_what_next(app, place)
    return ExitCode.OK


@app.command(
    "uninstall",
    cls=Command,
    epilog=examples({"kotta completion uninstall --rc": "And what install --rc has added"}),
)
def uninstall(
    ctx: typer.Context,
    shell: ShellArgument = None,
    rc: Annotated[
        bool, typer.Option("--rc", help="Take it out of the shell's start-up file too.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Remove the completion script that was installed."""
    from kotta_cli import completion_install as installing

    app: App = ctx.obj
    app.as_json = as_json
    place = installing.place_of(_shell(shell))
    is_gone = installing.uninstall(place)
    is_removed = rc and installing.remove_from_rc(place)
    words = "removed" if is_gone else "was not there"
    _say(app, place, words, changed=is_gone or is_removed)
    if not as_json:
        if is_removed:
            app.note(f"{place.rc} does not load it any more.")
        elif installing.is_in_rc(place):
            app.note(f"{place.rc} would load it if it were there; --rc takes that out.")
    return ExitCode.OK


def _printing(shell: str, script: str) -> None:
    """Add the command that prints the script of one shell."""

    @app.command(shell, cls=Command, epilog=examples({script: _HOW[shell]}))
    def print_script(ctx: typer.Context, as_json: JsonOption = False) -> int:
        from kotta_cli.completion_scripts import SCRIPTS

        app: App = ctx.obj
        app.as_json = as_json
        text = SCRIPTS[shell]()
        if as_json:
            from kotta_cli.render.as_json import print_json

            print_json(app, {"shell": shell, "text": text})
        else:
            app.out.write(text)
        return ExitCode.OK

    print_script.__doc__ = f"Print the script for {shell}."


_printing("bash", 'eval "$(kotta completion bash)"')
_printing("zsh", 'eval "$(kotta completion zsh)"')
_printing("fish", "kotta completion fish | source")


def _shell(asked: str | None) -> str:
    known = ["bash", "zsh", "fish"]
    if asked is not None:
        return one_of(asked, known, "shell known here")
    own = os.path.basename(os.environ.get("SHELL", ""))
    if own not in known:
        raise UsageProblem(
            f"there is no completion for `{own or 'a shell that SHELL does not name'}`",
            hint="kotta completion install bash, zsh or fish",
        )
    return own


def _say(app: App, place: Place, words: str, *, changed: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shape = {
            "shell": place.shell,
            "script": str(place.script),
            "rc_file": None if place.rc is None else str(place.rc),
            "changed": changed,
        }
        print_json(app, shape)
    elif app.out.is_tty:
        app.print(f"Completion for {place.shell} {words}: {place.script}")
    else:
        app.print(str(place.script))


def _say_what_next(app: App, place: Place) -> None:
    from kotta_cli.completion_install import is_in_rc, rc_lines

    if place.is_found or is_in_rc(place):
        app.note(f"New shells have it; `{_AGAIN[place.shell]}` makes this one new.")
        return
    app.note(f"{place.shell} does not look there by itself. Add this to {place.rc},")
    app.note("or let `--rc` do it:\n")
    app.note("\n".join(f"    {line}" for line in rc_lines(place).splitlines()))
