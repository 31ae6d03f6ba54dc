"""Puts off an import that libraries make and this program has no use for."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

_METADATA = "importlib.metadata"


def put_off_metadata() -> None:
    """Has `importlib.metadata` imported when something of it is used, not when it is named.

    pydantic names it to look for plugins, of which this program has none look; email, zipfile and
    csv would come with it, a twentieth of the time of `kotta list`. `importlib.util.LazyLoader`
    does not help, for what pydantic names is a function of it.
    """
    if _METADATA in sys.modules:
        return
    spec = PathFinder.find_spec(_METADATA, importlib.__path__)
    if spec is None:
        return
    stand_in = module_from_spec(spec)

    def of_the_real_one(name: str) -> Any:
        if sys.modules.get(_METADATA) is stand_in:
            del sys.modules[_METADATA]
        return getattr(importlib.import_module(_METADATA), name)

    def entry_points(**params: Any) -> Any:
        return of_the_real_one("entry_points")(**params)

    # Source: PEP 562
    vars(stand_in).update(__getattr__=of_the_real_one, entry_points=entry_points)
    sys.modules[_METADATA] = stand_in
    vars(importlib)["metadata"] = stand_in
