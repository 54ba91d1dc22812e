# SPDX-License-Identifier: Apache-2.0
"""Options of a fit, by the keys of the library's one table (docs/options.md)."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Sequence, Union

from ._core import ffi, lib
from ._errors import OptionError, text
from ._run import call, opened

#: What an option may be set to: `search.knn` 3, `align` "none", `pictures.mirror` True, `layers` [-3, -1], `canvas` (448, 448).
OptionValue = Union[str, int, float, bool, Sequence[int], Mapping[str, Union[str, int, float]]]


class Option(NamedTuple):
    """A row of the table."""

    key: str
    alias: Optional[str]
    takes: str
    unit: Optional[str]
    help: str
    needs: Optional[str]


def options() -> list[Option]:
    """The table of options: keys, what they take, and one line of help each."""
    rows = []
    for index in range(lib.dp_option_count()):
        row = lib.dp_option_at(index)
        rows.append(Option(text(row.key), text(row.alias) or None, text(row.takes), text(row.unit) or None, text(row.help),
                           text(row.needs) or None))
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


def made(asked: Mapping[str, Any]) -> Any:
    """dp_options of what was asked; the method goes first, for it replaces all others."""
    made = opened("dp_options", lib.free_options, None, lib.dp_options_new)
    keys = _keys()
    settled: dict[str, str] = {}
    for name, value in asked.items():
        key = keys.get(_plain(name))
        if key is None:
            close = difflib.get_close_matches(_plain(name), keys, n=1)
            raise OptionError(f"{name}: there is no such option" + (f"; did you mean {close[0]}?" if close else "")
                              + " dinopatch.options() lists them")
        if key in settled:
            raise OptionError(f"{name}: {key} is given twice")
        settled[key] = _text(key, value)
    for key in sorted(settled, key=lambda key: key != "method"):
        call(lib.dp_options_set, made, key.encode(), settled[key].encode("utf-8", "surrogateescape"))
    return made
