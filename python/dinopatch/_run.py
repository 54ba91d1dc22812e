# SPDX-License-Identifier: Apache-2.0
"""How calls of the library are made: errors become exceptions, callbacks come back to Python, Ctrl-C stops the work."""

from __future__ import annotations

import atexit
import logging
from typing import Any, Callable, Dict, List, Optional

from ._core import ffi, lib
from ._errors import error_of, text, whole

#: Called with the stage, the steps done and all steps (0: not known). A true result stops the work.
Progress = Callable[[str, int, int], object]

log = logging.getLogger("dinopatch")


class Run:
    """Threads and callbacks of a call, and the `dp_run` that says so to the library."""

    def __init__(self, threads: int = 0, progress: Optional[Progress] = None) -> None:
        self.progress = progress
        self.stopped = False  # set by any thread: the work ends within a moment
        self.raised: Optional[BaseException] = None  # in a callback
        self.left_out: list[tuple[str, str]] = []  # pictures and why
        self._handle = ffi.new_handle(self)
        self.pointer = ffi.new("dp_run *")
        lib.dp_run_defaults(self.pointer, ffi.sizeof("dp_run"))
        self.pointer.threads = whole("threads", threads, 0, 1024)
        self.pointer.log = lib.on_log
        self.pointer.progress = lib.on_progress
        self.pointer.stop = lib.on_stop
        self.pointer.user = self._handle

    @property
    def handle(self) -> Any:
        return self._handle

    def call(self, function: Any, *arguments: Any) -> None:
        """Calls a function whose last argument is a dp_error, without the GIL."""
        err = ffi.new("dp_error *")
        status = function(*arguments, err)
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised
        if status != lib.DP_OK:
            raise error_of(status, text(err.message))


def call(function: Any, *arguments: Any) -> None:
    """The same for functions without callbacks."""
    err = ffi.new("dp_error *")
    status = function(*arguments, err)
    if status != lib.DP_OK:
        raise error_of(status, text(err.message))


# What each open object was made of, by its address: that lives longer, in whatever order Python lets go of them.
_made_of: Dict[int, Any] = {}
_ending = [False]


@atexit.register
def _end() -> None:
    _ending[0] = True


def kept(pointer: Any, close: Any, *made_of: Any) -> Any:
    """An object of the library, which lives as long as what is returned here, and what it was made of lives longer."""
    address = int(ffi.cast("uintptr_t", pointer))
    _made_of[address] = made_of

    def close_first(made: Any, ending: List[bool] = _ending, known: Dict[int, Any] = _made_of) -> None:
        if not ending[0]:  # a process that ends gives everything back by itself
            close(made)
            known.pop(address, None)

    return ffi.gc(pointer, close_first)


def opened(what: str, close: Any, run: Optional[Run], function: Any, *arguments: Any) -> Any:
    """Calls a function that ends with the address of a new object; None where it made none."""
    out = ffi.new(f"{what} **")
    (run.call if run else call)(function, *arguments, out)
    return None if out[0] == ffi.NULL else kept(out[0], close, run, arguments)


def on_error(kind: Any, raised: Any, trace: Any) -> None:
    """An exception in a callback: kept for the caller, and the work is stopped (the callback returns 1)."""
    frame = trace.tb_frame if trace is not None else None
    user = frame.f_locals.get("user") if frame is not None else None
    if user is not None:
        owner = ffi.from_handle(user)  # a Run, or a Source
        owner.raised = owner.raised or raised
        owner.stopped = True


@ffi.def_extern(onerror=on_error)  # type: ignore[untyped-decorator]
def on_log(user: Any, level: int, line: Any) -> None:
    log.log(logging.WARNING if level == lib.DP_LOG_WARNING else logging.INFO, "%s", text(line))


@ffi.def_extern(error=1, onerror=on_error)  # type: ignore[untyped-decorator]
def on_progress(user: Any, stage: Any, done: int, total: int) -> int:
    run = ffi.from_handle(user)
    if run.progress is not None and run.progress(text(stage), done, total):
        run.stopped = True
    return int(run.stopped)


@ffi.def_extern(error=1, onerror=on_error)  # type: ignore[untyped-decorator]
def on_stop(user: Any) -> int:
    return int(ffi.from_handle(user).stopped)


@ffi.def_extern(onerror=on_error)  # type: ignore[untyped-decorator]
def on_picture(user: Any, index: int, name: Any, pose: Any, message: Any) -> None:
    if message != ffi.NULL:
        ffi.from_handle(user).left_out.append((text(name), text(message)))


@ffi.def_extern(error=1, onerror=on_error)  # type: ignore[untyped-decorator]
def on_result(user: Any, index: int, view: int, name: Any, picture: Any, result: Any, milliseconds: float, message: Any) -> int:
    return int(ffi.from_handle(user).take(index, name, result, message))
