# SPDX-License-Identifier: Apache-2.0
"""Options of a fit, by the keys of the library's one table (docs/options.md)."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Sequence, Union

from ._core import ffi, lib
from ._errors import OptionError, text
from ._run import call

#: What an option may be set to: `search.knn` 3, `align` "none", `pictures.mirror` True, `layers` [-3, -1], `canvas` (448, 448).
OptionValue = Union[str, int, float, bool, Sequence[int], Mapping[str, Union[str, int, float]]]


class Option(NamedTuple):
    """A row of the table. One that is `overridable` says how pictures are scored: `Bank.calibrate` takes it, too."""

    key: str
    alias: Optional[str]
    takes: str
    unit: Optional[str]
    help: str
    needs: Optional[str]
    overridable: bool


def options() -> list[Option]:
    """The table of options: keys, what they take, and one line of help each."""
    rows = []
    for index in range(lib.dp_option_count()):
        row = lib.dp_option_at(index)
        rows.append(Option(text(row.key), text(row.alias) or None, text(row.takes), text(row.unit) or None, text(row.help),
                           text(row.needs) or None, bool(row.flags & lib.DP_OPTION_OVERRIDE)))
    return rows


def _plain(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")


@functools.lru_cache(maxsize=None)
def _keys() -> dict[str, str]:
    """From a Python name to a key: search_knn, and knn as the program's --knn."""
    table = options()
    return {**{_plain(row.alias): row.key for row in table if row.alias}, **{_plain(row.key): row.key for row in table}}


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "off"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(name, it)}" for name, it in value.items()) or "none"
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        return ("x" if key == "canvas" else ",").join(_text(key, it) for it in value)
    if hasattr(value, "item"):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def _settled(asked: Mapping[str, Any]) -> dict[str, str]:
    """Keys of the table and texts; the method comes first, for it replaces all others."""
    keys = _keys()
    settled: dict[str, str] = {}
    for name, value in asked.items():
        key = keys.get(_plain(name))
        if key is None:
            close = difflib.get_close_matches(_plain(name), keys, n=1)
            raise OptionError(f"{name}: there is no such option; " + (f"did you mean {close[0]}? " if close else "")
                              + "dinopatch.options() lists them")
        if key in settled:
            raise OptionError(f"{name}: {key} is given twice")
        settled[key] = _text(key, value)
    return dict(sorted(settled.items(), key=lambda pair: pair[0] != "method"))


def _set(recipe: Any, settled: Mapping[str, str]) -> None:
    for key, value in settled.items():
        call(lib.dp_recipe_set, recipe, key.encode(), value.encode("utf-8", "surrogateescape"))
    call(lib.dp_recipe_check, recipe)


def recipe(asked: Mapping[str, Any]) -> Any:
    """The dp_recipe of a fit: what was asked over the defaults."""
    made = ffi.new("dp_recipe *")
    lib.dp_recipe_preset(made, lib.DP_METHOD_AUTO)
    _set(made, _settled(asked))
    return made


def override(recipe: Any, asked: Mapping[str, Any]) -> None:
    """Changes how a bank's recipe scores pictures."""
    settled = _settled(asked)
    overridable = {row.key for row in options() if row.overridable}
    for key in settled:
        if key not in overridable:
            raise OptionError(f"{key}: belongs to the features, which are in the bank already; fit a new bank with it")
    _set(recipe, settled)
