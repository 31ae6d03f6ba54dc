"""The zsh script: for a folder of `$fpath`, and for `eval`."""

from __future__ import annotations

from kotta_cli.completion_scripts.grammar import HEADER, Command, Option, Value, grammar

_TOP = """\
#compdef kotta
# zsh completion for kotta; {header}

# Offers what `kotta __complete KIND` knows, with descriptions.
_kotta_ask() {{
    local -a found values texts
    local value text
    while IFS=$'\\t' read -r value text; do
        values+=("$value")
        texts+=("$value${{text:+  -- $text}}")
        value=${{value//\\\\/\\\\\\\\}}
        found+=("${{value//:/\\\\:}}${{text:+:$text}}")
    done < <(kotta __complete $1 "${{(Q)PREFIX}}" "${{_kotta_typed[@]}}" 2>/dev/null)
    if [[ $1 == job-and-output && $PREFIX != *:* ]]; then
        # its output comes next, without a blank
        compadd -V $1 -S '' -l -d texts -a values
    else
        _describe -V -t $1 $1 found
    fi
}}

{functions}

if [[ $funcstack[1] == _kotta ]]; then
    _kotta "$@"
else
    compdef _kotta kotta
fi
"""


def zsh_script() -> str:
    """The text of `completions/_kotta`."""
    functions = "\n\n".join(_functions("_kotta", grammar()))
    return _TOP.format(header=HEADER, functions=functions)


def _functions(name: str, command: Command) -> list[str]:
    below = [text for sub in command.commands for text in _functions(f"{name}_{sub.name}", sub)]
    return [*below, _group(name, command) if command.commands else _leaf(name, command)]


def _leaf(name: str, command: Command) -> str:
    lines = [f"        {_option(option)}" for option in command.options]
    if command.argument is not None:
        place = "*" if command.argument.is_repeatable else "1"
        lines.append(
            f"        '{place}:{_quoted(command.argument.metavar)}:{_action(command.argument)}'"
        )
    return f"{name}() {{\n    _arguments -s -S \\\n" + " \\\n".join(lines) + "\n}"


def _group(name: str, command: Command) -> str:
    # What was typed, for _kotta_ask: below the top, zsh shows the words of the command alone.
    typed = '    local -a _kotta_typed=("${(@Q)words[2,CURRENT-1]}")\n' if name == "_kotta" else ""
    options = " \\\n".join(f"        {_option(option)}" for option in command.options)
    described = "\n".join(
        f"                '{sub.name}:{_quoted(sub.help)}'" for sub in command.commands
    )
    return f"""\
{name}() {{
    local curcontext=$curcontext state line
    local -A opt_args
{typed}    _arguments -C -s \\
{options} \\
        '1: :->command' \\
        '*:: :->arguments'
    case $state in
        command)
            local -a commands=(
{described}
            )
            _describe -V -t commands command commands
            ;;
        arguments)
            (( $+functions[{name}_$words[1]] )) && {name}_$words[1]
            ;;
    esac
}}"""


def _option(option: Option) -> str:
    names = " ".join(option.names)
    exclusive = "*" if option.is_repeatable else f"({names})"
    # with a value: in the next word, or after `=`, or right behind one letter
    ends = ("", "") if option.value is None else ("+", "=")
    written = [name + ends[name.startswith("--")] for name in option.names]
    spelled = "{" + ",".join(written) + "}" if len(written) > 1 else written[0]
    value = f":{_quoted(option.value.metavar)}:{_action(option.value)}" if option.value else ""
    if option.attached is not None:
        written = [f"{name}=-" for name in option.names]
        spelled = written[0]
        value = f"::{option.attached.metavar}:{_action(option.attached)}"
    help_text = _quoted(option.help)
    if len(option.names) == 1:
        return f"'{exclusive}{spelled}[{help_text}]{value}'"
    return f"'{exclusive}'{spelled}'[{help_text}]{value}'"


def _action(value: Value) -> str:
    if value.is_list:
        return f"_sequence compadd - {' '.join(value.words)}"
    if value.words:
        return f"({' '.join(value.words)})"
    if value.request and value.is_file:
        return f"{{ _kotta_ask {value.request} || _files }}"
    if value.request:
        # The blank in front keeps _arguments from putting options of its own before the kind.
        return f" _kotta_ask {value.request}"
    if value.is_file:
        return "_files"
    return "_files -/" if value.is_directory else " "


def _quoted(text: str) -> str:
    for char in ("\\", "[", "]", ":"):
        text = text.replace(char, "\\" + char)
    return text.replace("'", "'\\''")
