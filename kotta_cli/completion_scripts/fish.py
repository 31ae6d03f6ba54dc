"""The fish script."""

from __future__ import annotations

from kotta_cli.completion_scripts.grammar import HEADER, Command, Option, Value, grammar

_TOP = """\
# fish completion for kotta; {header}

# What was typed of the value at the cursor.
function __kotta_current
    set -l word (commandline --current-token)
    set word (string unescape -- "$word"; or echo -- "$word")
    string replace --regex -- '^--[a-z-]+=' '' "$word"
end

# What `kotta __complete KIND` knows, with descriptions.
function __kotta_ask
    kotta __complete $argv[1] (__kotta_current) (commandline -opc)[2..] 2>/dev/null
end

# Words of a list with commas, after those that are there.
function __kotta_list
    set -l before (string match --regex -- '.*,' (__kotta_current))
    for word in $argv
        echo -- "$before$word"
    end
end

# Whether the command typed so far is the one named, and none below it.
function __kotta_at
    set -l words (commandline -opc)[2..]
    set -l path
    while set -q words[1]
        switch "$path $words[1]"
            case {skips}
                set --erase words[1]
            case '* -*'
            case {descents}
                set --append path $words[1]
        end
        set --erase words[1]
    end
    test "$path" = "$argv"
end

complete --command kotta --no-files
{lines}
"""


def fish_script() -> str:
    """The text of `completions/kotta.fish`."""
    top = grammar()
    taking = [name for option in top.options if option.value for name in option.names]
    return _TOP.format(
        header=HEADER,
        skips=" ".join(f"' {name}'" for name in taking),
        descents=" ".join(f"'{path}'" for path in _paths(top, "")),
        lines="\n".join(_lines(top, "")),
    )


def _paths(command: Command, path: str) -> list[str]:
    found = []
    for sub in command.commands:
        found += [f"{path} {sub.name}", *_paths(sub, f"{path} {sub.name}".strip())]
    return found


def _lines(command: Command, path: str) -> list[str]:
    here = f"complete --command kotta --condition '{f'__kotta_at {path}'.strip()}'"
    lines = [f"{here} {_option(option)}" for option in command.options]
    if command.argument is not None:
        lines.append(f"{here} {_words(command.argument)}")
    lines += [
        f"{here} --arguments {sub.name} --description {_quoted(sub.help)}"
        for sub in command.commands
    ]
    for sub in command.commands:
        lines += _lines(sub, f"{path} {sub.name}".strip())
    return lines


def _option(option: Option) -> str:
    words = [
        f"--long-option {name[2:]}" if name.startswith("--") else f"--short-option {name[1:]}"
        for name in option.names
    ]
    if option.value is not None:
        words.append("--require-parameter" if option.value.is_file else "--exclusive")
        words += filter(None, [_words(option.value)])
    if option.attached is not None:
        words.append(_words(option.attached))
    return " ".join([*words, "--description", _quoted(option.help)])


def _words(value: Value) -> str:
    if value.is_list:
        return f"--keep-order --arguments '(__kotta_list {' '.join(value.words)})'"
    if value.words:
        return f"--arguments '{' '.join(value.words)}'"
    if value.request:
        files = "--force-files " if value.is_file else ""
        return f"{files}--keep-order --arguments '(__kotta_ask {value.request})'"
    if value.is_file:
        return "--force-files"
    return "--arguments '(__fish_complete_directories)'" if value.is_directory else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
