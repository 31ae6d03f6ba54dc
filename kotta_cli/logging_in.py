"""The ways to log in: a code that is entered in a browser, or tokens that one has."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kotta_cli.render.plain_text import one_line
from kotta_cli.render.remaining_line import waiting

if TYPE_CHECKING:
    from kotta.login import LoggedIn
    from kotta.oauth import Device
    from kotta_cli.context import App

MAX_TOKEN_CHARACTERS = 1 << 16


def by_device(
    app: App, address: str, *, as_admin: bool, trust: bool | None, open_browser: bool
) -> LoggedIn:
    """Shows a code, and waits until somebody has entered it in a browser and said yes."""
    from kotta import login
    from kotta.oauth import OAuth

    oauth = OAuth(address)
    scopes = "read write admin" if as_admin else "read write"
    device = oauth.begin(label=_label(), scopes=scopes)
    # said first: whatever becomes of the browser, here is what to do
    app.complain(f"Open   {one_line(device.page)}")
    app.complain(f"enter  {one_line(device.user_code)}")
    if open_browser:
        _open_browser(app, device)
    with waiting(app, device.expires_at) as sleep:
        tokens = oauth.finish(device, sleep=sleep)
    return login.keep_new(address, tokens, lambda: _trusts(app, address, trust))


def by_credentials(app: App, address: str, file: Path | None, trust: bool | None) -> LoggedIn:
    """Logs in with a token from stdin, or with what the first clients' file holds."""
    from kotta import login
    from kotta.credentials import Credentials, understand

    if file is not None:
        from kotta_cli.overrides import text_of

        credentials = understand(text_of(str(file)))
    else:
        credentials = Credentials(_token_in(_line(app)))
    return login.keep(address, credentials, trusts_pickles=_trusts(app, address, trust))


def _line(app: App) -> str:
    if app.stdin.isatty() and app.err.is_tty:
        return getpass.getpass("Paste the token, then Enter (it is not shown): ")
    return app.stdin.readline(MAX_TOKEN_CHARACTERS)


def _token_in(line: str) -> str:
    from kotta.credentials import is_token
    from kotta.errors import ConfigError

    token = line.strip()
    if not is_token(token):
        raise ConfigError(
            "there is no token on standard input", hint="kotta token create prints one"
        )
    return token


def _trusts(app: App, address: str, given: bool | None) -> bool:
    """Whether results that are pickles are to be opened: asked of a person, else no."""
    if given is not None or not app.can_ask:
        return bool(given)
    app.note("Results of Python functions can be pickles, and a pickle can run any code here.")
    return app.ask(f"Do you trust {address} with that? [y/N] ")


def _label() -> str:
    """What this login is called in lists: who, on which computer."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"[:200]
    except (OSError, KeyError):  # a user id without a name
        return socket.gethostname()[:200]


def _open_browser(app: App, device: Device) -> None:
    is_far = "SSH_CONNECTION" in os.environ or "SSH_TTY" in os.environ
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if is_far or not has_screen or not app.err.is_tty:
        return
    # Not in this process: a browser's own remarks would go to this terminal, and one for
    # terminals would take it over. Isolated, as the current directory may hold a webbrowser.py.
    command = [sys.executable, "-I", "-m", "webbrowser", device.page_with_code]
    with contextlib.suppress(OSError):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # it outlives this process; told so, Popen does not warn of a child that was not waited for
        process.returncode = 0
        app.note("A browser has been asked to open it.")
