"""The fish script."""

from __future__ import annotations

from kotta_cli.completion_scripts.grammar import HEADER, Command, Option, Value, grammar

_TOP = """\
# fish completion for kotta; {header}

# What `kotta __complete KIND` knows, with descriptions.
function __kotta_ask
    kotta __complete $argv[1] (commandline --current-token) 2>/dev/null
end

complete --command kotta --no-files
{lines}
"""


def fish_script() -> str:
    """The text of `completions/kotta.fish`."""
    return _TOP.format(header=HEADER, lines="\n".join(_lines(grammar(), ())))


def _lines(command: Command, path: tuple[str, ...]) -> list[str]:
    known = " ".join(sub.name for sub in command.commands)
    above = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path)
    here = above
    if command.commands:
        here = " && ".join(filter(None, [above, f"not __fish_seen_subcommand_from {known}"]))
    lines = [f"{_complete(here)} {_option(option)}" for option in command.options]
    if command.argument is not None:
        words = _words(command.argument)
        lines += [f"{_complete(here)} {words}"] if words else []
    for sub in command.commands:
        lines.append(f"{_complete(here)} --arguments {sub.name} --description {_quoted(sub.help)}")
    for sub in command.commands:
        lines += _lines(sub, (*path, sub.name))
    return lines


def _complete(condition: str) -> str:
    return f"complete --command kotta --condition '{condition}'"


def _option(option: Option) -> str:
    words = [
        f"--long-option {name[2:]}" if name.startswith("--") else f"--short-option {name[1:]}"
        for name in option.names
    ]
    if option.value is not None:
        words += filter(None, ["--require-parameter", _words(option.value)])
    return " ".join([*words, "--description", _quoted(option.help)])


def _words(value: Value) -> str:
    if value.words:
        return f"--arguments '{' '.join(value.words)}'"
    if value.request:
        return f"--keep-order --arguments '(__kotta_ask {value.request})'"
    if value.is_file:
        return "--force-files"
    return "--arguments '(__fish_complete_directories)'" if value.is_directory else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
