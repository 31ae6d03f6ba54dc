"""The commands of `kotta` as plain data, for what must answer before anything heavy is imported.

The top page is made from it, and the command tree imports a command by it. A test holds it equal
to the Typer tree.
"""

from __future__ import annotations

SUMMARY = "Run jobs on your own computer, or on somebody else's."

COMMANDS: dict[str, dict[str, str]] = {
    "Run": {
        "submit": "Submit a job, or many.",
        "rerun": "Submit jobs again, as they were or with changes.",
        "wait": "Wait until jobs have ended, and exit as they did.",
        "cancel": "End jobs.",
        "share": "Let others see jobs, at a shared service.",
    },
    "Look": {
        "list": "List jobs, newest first.",
        "status": "Show everything that is known of a job.",
        "logs": "Show what jobs write to stdout and stderr.",
        "usage": "Show what a job uses over its life: cores, memory and disk.",
        "why": "Say why a job waits, or why it failed, and what to type next.",
        "diff": "Show what differs between two jobs.",
        "queues": "List the queues and how full they are.",
    },
    "Files": {
        "fetch": "Download what jobs have made.",
        "cat": "Write jobs' output files to stdout.",
        "cp": "Copy jobs' output files to a path of yours.",
        "upload": "Send files ahead, and print URLs for jobs' inputs.",
    },
    "Service": {
        "service": "Show or stop the local service, or read its log.",
        "serve": "Run the service in the foreground, for others too.",
        "login": "Log in to a shared service.",
        "logout": "End a login.",
        "whoami": "Say who the service takes you for.",
        "token": "Tokens for scripts, and your logins.",
        "admin": "Keep a service in order: its users, and all that it keeps.",
    },
    "Settings": {
        "config": "Show and change settings and profiles.",
        "doctor": "Check this installation, and say what a bug report needs.",
        "completion": "Install completion for a shell, or print its script.",
    },
}
"""Title of the group → name of the command → its help line."""

GLOBAL_OPTIONS = {
    "-p, --profile PROFILE": "Use the settings of this profile.",
    "--server URL": "Talk to this service instead of the local one.",
    "-V, --version": "Print the version and exit.",
    "-h, --help": "Show this page and exit.",
}

EXAMPLES = {
    "kotta submit job.json --wait": "Submit and follow one job",
    "kotta list --watch": "Watch all of them",
    "kotta logs -f @last": "Read the newest job's output as it comes",
    "kotta fetch @last -o results": "Bring home what it made",
}

TOPICS = {
    "selectors": "How to name a job, or many.",
    "description": "What a job's description may say.",
    "output": "What is printed, and where.",
    "json": "What --json prints, and some fields of it.",
    "exit-codes": "What the exit code says.",
    "environment": "Variables that are understood.",
    "configuration": "Settings, profiles and their files.",
}
"""What `kotta help TOPIC` tells of, besides the commands."""

CLOSING = "`kotta COMMAND --help` says more about a command, `kotta help TOPIC` about a topic."


def command_names() -> list[str]:
    """Every command, in the order of the top page."""
    return [name for group in COMMANDS.values() for name in group]
