# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one for each status of the library, each with its sentence."""

from __future__ import annotations

import operator
from typing import Any

from ._core import ffi, lib


class DinopatchError(Exception):
    """What went wrong, in one sentence that names the fact and the remedy."""


class OptionError(DinopatchError, ValueError):
    """A setting out of its range, or settings that do not go together."""


class OutOfMemoryError(DinopatchError, MemoryError):
    """There is not enough memory."""


class FileError(DinopatchError, OSError):
    """A file or folder cannot be read or written."""


class PictureError(DinopatchError, ValueError):
    """Not a picture, or one that cannot be used."""


class FormatError(DinopatchError, ValueError):
    """A file breaks its format."""


class NetworkError(DinopatchError, ValueError):
    """A checkpoint of no network that the library knows, or one that is not here."""


class MismatchError(DinopatchError, ValueError):
    """Bank and network, or two banks, do not belong together."""


class CorruptError(DinopatchError, ValueError):
    """A checksum does not hold."""


class NumericError(DinopatchError, ArithmeticError):
    """A number is not finite where it must be."""


class UnsupportedError(DinopatchError, NotImplementedError):
    """Known, but this build or machine cannot do it."""


class CancelledError(DinopatchError):
    """The work was stopped."""


_BY_STATUS: dict[int, type[DinopatchError]] = {
    lib.DP_E_ARGUMENT: OptionError,
    lib.DP_E_MEMORY: OutOfMemoryError,
    lib.DP_E_IO: FileError,
    lib.DP_E_PICTURE: PictureError,
    lib.DP_E_FORMAT: FormatError,
    lib.DP_E_CHECKPOINT: NetworkError,
    lib.DP_E_MISMATCH: MismatchError,
    lib.DP_E_CORRUPT: CorruptError,
    lib.DP_E_NUMERIC: NumericError,
    lib.DP_E_UNSUPPORTED: UnsupportedError,
    lib.DP_E_CANCELLED: CancelledError,
}


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within its bounds."""
    number = operator.index(value)
    if not low <= number <= high:
        raise OptionError(f"{name} is {number}; give a whole number from {low} to {high}")
    return number


def status_of(fault: DinopatchError) -> int:
    return next((status for status, kind in _BY_STATUS.items() if isinstance(fault, kind)), int(lib.DP_E_PICTURE))


def text(chars: Any) -> str:
    """UTF-8 of the library; file names may hold any bytes."""
    return "" if chars == ffi.NULL else bytes(ffi.string(chars)).decode("utf-8", "surrogateescape")


def error_of(status: int, message: str) -> DinopatchError:
    return _BY_STATUS.get(status, DinopatchError)(message)
