# SPDX-License-Identifier: Apache-2.0
"""Finds defects in pictures of a product after seeing only good ones.

    import dinopatch as dp
    bank = dp.fit("good/")                  # arrays, paths, PIL images, a folder, any iterator of them
    result = bank.inspect("new.png")
    print(result.label, result.score, result.threshold, result.defects)

Coordinates: x runs right, y down, pixel centres lie at integers.
"""

from ._bank import Bank, BankInfo, Choice, Compression, GoodPicture, Rate, fit
from ._bank import open_bank as open
from ._core import lib as _lib
from ._drift import Drift, DriftState
from ._errors import (
    CancelledError,
    CorruptError,
    DinopatchError,
    FileError,
    FormatError,
    MismatchError,
    NetworkError,
    NumericError,
    OptionError,
    OutOfMemoryError,
    PictureError,
    UnsupportedError,
    text as _text,
)
from ._options import Option, OptionValue, options
from ._pictures import Picture
from ._result import Defect, Pose, Result
from ._run import Progress
from ._tune import Figures, Tuning

__version__: str = _text(_lib.dp_version())

__all__ = [
    "Bank",
    "BankInfo",
    "CancelledError",
    "Choice",
    "Compression",
    "CorruptError",
    "Defect",
    "DinopatchError",
    "Figures",
    "FileError",
    "Drift",
    "DriftState",
    "FormatError",
    "GoodPicture",
    "MismatchError",
    "NetworkError",
    "NumericError",
    "Option",
    "OptionError",
    "OptionValue",
    "OutOfMemoryError",
    "Picture",
    "PictureError",
    "Pose",
    "Progress",
    "Rate",
    "Result",
    "Tuning",
    "UnsupportedError",
    "fit",
    "open",
    "options",
]
