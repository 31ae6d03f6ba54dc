"""What each command prints with `--json`, and the shapes that are the command line's own.

The schemas in `kotta_cli/schemas/` and the reference in `docs/json.md` are made from it by
`python -m kotta_cli.manual`. No command imports it, for the models behind it take long to import;
a test holds what commands print to it.
"""

from __future__ import annotations

from typing import Any

from kotta.models import Job, Queue, SharedJob, Usage
from kotta.models.accounts import Invitation, MadeToken, Token, User, WhoAmI
from kotta.models.upkeep import CheckReport, Lifecycle, PruneReport
from kotta_cli.results.files import CopiedFile, FetchResult, PrintedFile, UploadedFile
from kotta_cli.results.jobs import (
    ArrayStatus,
    Cause,
    Check,
    Comparison,
    FetchedJob,
    LogLine,
    StatedJob,
)
from kotta_cli.results.problems import Problem
from kotta_cli.results.services import (
    BackupFile,
    LoggedIn,
    LoggedOut,
    LoginState,
    ServeCheck,
    ServiceLogLine,
    ServiceState,
    ServiceStopped,
)
from kotta_cli.results.settings import (
    CompletionScript,
    CompletionState,
    EditedFile,
    Finding,
    Setting,
    SettingsFile,
)

RESULTS: dict[str, Any] = {
    "submit": Job | list[Job] | FetchedJob | list[FetchedJob] | Check,
    "status": StatedJob | list[StatedJob] | ArrayStatus,
    "list": list[Job],
    "wait": Job | list[Job],
    "logs": LogLine,
    "usage": Usage,
    "fetch": FetchResult | list[FetchResult],
    "cat": list[PrintedFile],
    "cp": list[CopiedFile],
    "upload": list[UploadedFile],
    "why": Cause | list[Cause],
    "rerun": Job | list[Job] | FetchedJob | list[FetchedJob],
    "diff": Comparison,
    "cancel": Job | list[Job],
    "share": SharedJob | list[SharedJob],
    "queues": list[Queue],
    "service status": ServiceState,
    "service stop": ServiceStopped,
    "service logs": ServiceLogLine,
    "login": LoginState | LoggedIn,
    "logout": LoggedOut,
    "whoami": WhoAmI,
    "token list": list[Token],
    "serve": ServeCheck,
    "token create": MadeToken,
    "token revoke": list[Token],
    "admin user add": Invitation,
    "admin user list": list[User],
    "admin user invite": Invitation,
    "admin user disable": User,
    "admin user enable": User,
    "admin user role": User,
    "admin user limit": User,
    "admin check": CheckReport,
    "admin backup": BackupFile,
    "admin restore": CheckReport,
    "admin prune": PruneReport,
    "admin lifecycle": Lifecycle,
    "config get": Setting,
    "config set": Setting,
    "config unset": Setting,
    "config list": list[Setting],
    "config path": SettingsFile,
    "config edit": EditedFile,
    "doctor": list[Finding],
    "completion install": CompletionState,
    "completion uninstall": CompletionState,
    "completion bash": CompletionScript,
    "completion zsh": CompletionScript,
    "completion fish": CompletionScript,
}
"""Command → what it prints. One job is one object; several, or a set, are a list."""

LINES = ("logs", "service logs")
"""Commands that print an object a line, however many there are, as `list --watch` does."""

__all__ = ["LINES", "RESULTS", "Problem"]
