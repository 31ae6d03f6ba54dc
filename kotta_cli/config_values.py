"""Settings as `kotta config` shows and takes them: by their names, as words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta import config, project_file, settings
from kotta.errors import ConfigError
from kotta_cli.parameters import UsageProblem
from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from kotta_cli.context import App


@dataclass(frozen=True)
class Entry:
    """A setting as it counts here; `value` is None where it has none."""

    key: str
    value: Any
    origin: str

    @property
    def text(self) -> str:
        if self.value is None:
            return ""
        if isinstance(self.value, list):
            return ",".join(map(str, self.value))
        return str(self.value)

    def shape(self) -> dict[str, Any]:
        return {"key": self.key, "value": self.value, "origin": self.origin}


def entry_of(app: App, key: str, *, is_known: bool = False) -> Entry:
    """One setting, or one value of a profile.

    Args:
        is_known: the key has been checked, and may be a whole profile's.

    Raises:
        UsageProblem: there is no such setting.
    """
    if not is_known:
        checked_key(key)
    if key in settings.SETTINGS:
        found = app.config.find(key, _profile(app, key))
        return Entry(key, found.value, found.origin)
    own = app.config.user
    place = settings.path_of(key)
    if own is None or place not in own.values:
        return Entry(key, None, config.DEFAULT)
    return Entry(key, own.values[place], str(own.path))


def entries(app: App) -> list[Entry]:
    """Every setting, and all that profiles say."""
    found = [entry_of(app, key) for key in settings.SETTINGS]
    if (own := app.config.user) is not None:
        found += [
            Entry(settings.name_of(place), value, str(own.path))
            for place, value in own.values.items()
            if place[0] == settings.PROFILES and len(place) == 3
        ]
    return found


def checked_key(key: str, *, profile_is_enough: bool = False) -> None:
    """Refuse what is no setting.

    Raises:
        UsageProblem: it names the nearest.
    """
    place = settings.path_of(key)
    if settings.setting_at(place) is not None:
        return
    if profile_is_enough and place[0] == settings.PROFILES and len(place) > 1 and place[1]:
        return
    near = settings.nearest(key)
    known = "one of: " + ", ".join([*settings.SETTINGS, "profiles.NAME.server"])
    raise UsageProblem(
        f"`{one_line(key)}` is no setting", hint=f"did you mean `{near}`?" if near else known
    )


def parsed(key: str, word: str, *, project: bool) -> Any:
    """The value that was typed.

    Raises:
        UsageProblem: there is no such setting, or not in a project, or the value is none for it.
        ConfigError: there is no such profile.
    """
    checked_key(key)
    setting = settings.setting_at(settings.path_of(key))
    assert setting is not None
    if project and key not in settings.SETTINGS:
        raise UsageProblem(
            "a project cannot define a profile", hint=f"leave out --project: kotta config set {key}"
        )
    try:
        value = config.parsed(key, setting, word)
    except ConfigError as error:
        # said here of what was typed, and not of what a file or a variable holds
        raise UsageProblem(error.message, hint=error.hint) from error
    if key == "list.fields":
        from kotta_cli.job_fields import fields_of

        fields_of(word)
    if key == "profile" and value not in config.Config().profiles:
        raise ConfigError(
            f"there is no profile `{value}`",
            hint=f"kotta config set profiles.{value}.server https://kotta.example.org",
        )
    return value


def target(*, project: bool) -> Path:
    """The file that is written to: the user's, or the project's, found or to be made here.

    Raises:
        ConfigError: the project's file is none that would be believed.
    """
    if not project:
        return config.config_file()
    found = project_file.find()
    if found is None:
        return Path(os.getcwd(), project_file.FILE_NAME)
    if words := project_file.reason_to_ignore(found):
        raise ConfigError(f"{found} is ignored: {words}")
    return Path(found)


def ignored_project_file() -> str:
    """A sentence on the project's file that is not believed, "" if there is none."""
    found = project_file.find()
    if found is None or not (words := project_file.reason_to_ignore(found)):
        return ""
    return f"{one_line(found)} is ignored: {words}"


def _profile(app: App, key: str) -> str | None:
    """The profile whose own value of a setting counts here."""
    if not settings.SETTINGS[key].in_profile:
        return None
    try:
        return app.config.server(app.server, app.profile).profile
    except ConfigError:
        return None  # a profile that is not there says nothing; commands that need it will tell
