"""The bash script; works from bash 3.2 (macOS) on, without the bash-completion package."""

from __future__ import annotations

from kotta_cli.completion_scripts.grammar import HEADER, Command, Value, grammar

_TOP = """\
# bash completion for kotta; {header}

# Adds what `kotta __complete KIND` knows, quoted as the word was begun. The line goes along,
# because bash cuts `a:b` and `a=b` in pieces.
_kotta_ask() {{
    local line
    while IFS= read -r line; do
        COMPREPLY+=("${{line%%$'\\t'*}}")
        [[ $line == *:$'\\t'* ]] && compopt -o nospace 2>/dev/null
    done < <(kotta __complete "$1" --line "${{COMP_LINE:0:COMP_POINT}}" "$cur" 2>/dev/null)
}}

# Words of a list with commas, after those that are there.
_kotta_list() {{
    local before=
    [[ $cur == *,* ]] && before=${{cur%,*}},
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${{cur##*,}}"))
    compopt -o nospace 2>/dev/null
}}

_kotta_words() {{
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}}

_kotta_files() {{
    # bash 3.2 has no compopt.
    compopt -o default 2>/dev/null || COMPREPLY+=($(compgen "$1" -- "$cur"))
}}

_kotta_directories() {{
    compopt -o dirnames 2>/dev/null || COMPREPLY=($(compgen -d -- "$cur"))
}}

_kotta() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= word index=1 only_arguments= equals=
    COMPREPLY=()
    # `--option=value` comes as three words, and so does `job:file`.
    if [[ $cur == [=:] ]]; then
        cur=
        [[ $prev == -* ]] && equals=1 || prev=
    elif [[ $prev == = && ${{COMP_WORDS[COMP_CWORD-2]}} == -* ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}} equals=1
    elif [[ $prev == [=:] ]]; then
        prev=
    fi
    while ((index < COMP_CWORD)); do
        word=${{COMP_WORDS[index]}}
        case "$command $word" in
{skips}
            *' --') only_arguments=1 ;;
            *' -'* | *' =') ;;
{descents}
        esac
        ((index++))
    done
    if [[ -z $only_arguments ]]; then
        case "$command $prev" in
{values}
        esac
        # What may stand behind `=` alone.
        [[ -z $equals ]] || case "$command $prev" in
{attached}
        esac
        if [[ $cur == -* ]]; then
            case "$command" in
{options}
            esac
            return
        fi
    fi
    case "$command" in
{arguments}
    esac
}}

# Before 4.4 bash knows no nosort: the newest job is not the first then.
complete -o nosort -F _kotta kotta 2>/dev/null || complete -F _kotta kotta
"""


def bash_script() -> str:
    """The text of `completions/kotta.bash`."""
    top = grammar()
    everything = list(_paths(top, ""))
    return _TOP.format(
        header=HEADER,
        skips=_skip(everything),
        descents="\n".join(
            _descents(path, command) for path, command in everything if command.commands
        ),
        values="\n".join(line for path, command in everything for line in _values(path, command)),
        attached="\n".join(
            line for path, command in everything for line in _attached(path, command)
        ),
        options="\n".join(_options(path, command) for path, command in everything),
        arguments="\n".join(
            line for path, command in everything for line in _arguments(path, command)
        ),
    )


def _paths(command: Command, path: str) -> list[tuple[str, Command]]:
    below = [(f"{path}/{sub.name}", sub) for sub in command.commands]
    return [(path, command), *(pair for sub_path, sub in below for pair in _paths(sub, sub_path))]


def _taking(command: Command) -> list[str]:
    return [name for option in command.options if option.value for name in option.names]


def _skip(everything: list[tuple[str, Command]]) -> str:
    groups = [(path, command) for path, command in everything if command.commands]
    patterns = " | ".join(f"'{path} {name}'" for path, group in groups for name in _taking(group))
    return (
        f"            {patterns})\n"
        "                # Its value is no command; `=` stands between where it is written so.\n"
        "                [[ ${COMP_WORDS[index+1]} == = ]] && ((index++))\n"
        "                ((index++)) ;;"
    )


def _descents(path: str, command: Command) -> str:
    patterns = " | ".join(f"'{path} {sub.name}'" for sub in command.commands)
    return f"            {patterns}) command=$command/$word ;;"


def _values(path: str, command: Command) -> list[str]:
    lines = []
    for option in command.options:
        if option.value is not None:
            patterns = " | ".join(f"'{path} {name}'" for name in option.names)
            lines.append(f"            {patterns}) {_action(option.value)}; return ;;")
    return lines


def _attached(path: str, command: Command) -> list[str]:
    return [
        f"            '{path} {name}') {_action(option.attached)}; return ;;"
        for option in command.options
        for name in option.names
        if option.attached is not None
    ]


def _options(path: str, command: Command) -> str:
    names = " ".join(name for option in command.options for name in option.names)
    return f"                '{path}') _kotta_words '{names}' ;;"


def _arguments(path: str, command: Command) -> list[str]:
    if command.commands:
        names = " ".join(sub.name for sub in command.commands)
        return [f"        '{path}') _kotta_words '{names}' ;;"]
    if command.argument is not None:
        return [f"        '{path}') {_action(command.argument)} ;;"]
    return []


def _action(value: Value) -> str:
    if value.is_list:
        return f"_kotta_list '{' '.join(value.words)}'"
    if value.words:
        return f"_kotta_words '{' '.join(value.words)}'"
    if value.request:
        return f"_kotta_ask {value.request}" + ("; _kotta_files -f" if value.is_file else "")
    if value.is_file:
        return "_kotta_files -f"
    return "_kotta_directories" if value.is_directory else ":"
