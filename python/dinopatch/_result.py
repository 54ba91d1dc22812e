# SPDX-License-Identifier: Apache-2.0
"""What an inspection found."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _pictures, _png
from ._errors import FileError


def _none(value: float) -> Optional[float]:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Defect:
    """A connected group of pixels whose distances pass the cell threshold."""

    box: tuple[float, float, float, float]  #: x0, y0, x1, y1 in pixels; x1 and y1 are one past the last
    centre: tuple[float, float]  #: x, y of the centroid of its pixels
    area_px: float  #: pixels of it
    peak: float  #: the largest distance inside
    nearest: Optional[str]  #: the good picture that comes nearest to the peak; None: not known
    nearest_at: Optional[tuple[float, float]]  #: x, y in pixels of that picture


@dataclass(frozen=True)
class Pose:
    """Where the object lies."""

    status: str  #: "ok", "off" (alignment was not asked for), "few_edges", "round", "cut"
    centre: tuple[float, float]  #: x, y in pixels
    angle_rad: float  #: of the principal axis, in [0, pi)
    sigma_major_px: float
    sigma_minor_px: float
    polarity: int  #: +1 as found, -1 mirrored or turned, 0 not settled


@dataclass(frozen=True, eq=False)
class Result:
    """The result of one picture. It owns its memory and stays as it is, whatever is inspected next.

    Treat every label but "good" as "take it off the line".
    """

    label: Optional[str]  #: "good", "anomalous", "not_inspected"; None: the bank has no threshold
    reason: Optional[str]  #: why the picture was not inspected, or what makes an anomalous one unlike the part
    score: float  #: one number of the distance map; NaN: no cell could be compared
    threshold: float  #: a picture with a higher score is anomalous; NaN: the bank has none
    p_value: float  #: share of good pictures that score at least as high, this one counted; NaN: not known
    cell_threshold: float  #: distances above it are drawn as defects; NaN: the bank has none
    map: Optional[npt.NDArray[np.float32]] = field(repr=False)  #: [height, width] distances in the picture's pixels
    defects: tuple[Defect, ...]  #: the largest peak first
    pose: Optional[Pose] = field(repr=False)
    inspected: Optional[npt.NDArray[np.bool_]] = field(repr=False)  #: [height, width]; None: all of it was
    inspected_fraction: float = field(repr=False)  #: of the pixels; NaN where `inspected` is None
    grid: Optional[npt.NDArray[np.float32]] = field(repr=False)  #: [rows, columns] distances of the cells; NaN where not valid
    embed_ms: float = field(repr=False)  #: milliseconds in the network
    search_ms: float = field(repr=False)  #: milliseconds from features to distances
    #: cosine to the good picture most like it; NaN: the bank was fitted without `retrieval`
    nearest_similarity: float = field(default=math.nan, repr=False)
    name: Optional[str] = None  #: of the picture, if it has one
    error: Optional[Exception] = field(default=None, repr=False)  #: inspect_many: why the picture could not be read
    _picture: Any = field(default=None, repr=False)
    _heat: tuple[float, float] = field(default=(math.nan, math.nan), repr=False)

    @property
    def is_good(self) -> bool:
        return self.label == "good"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the names of `dinopatch inspect --json`."""
        return {
            "input": self.name,
            "status": "error" if self.error else "ok",
            "label": self.label,
            "reason": self.reason,
            "score": _none(self.score),
            "threshold": _none(self.threshold),
            "p_value": _none(self.p_value),
            "cell_threshold": _none(self.cell_threshold),
            "map": {"path": None, "shape": None if self.map is None else list(self.map.shape)},
            "defects": [
                {"bbox_xyxy": list(d.box), "area_px": d.area_px, "peak": d.peak, "nearest": d.nearest,
                 "nearest_at": None if d.nearest_at is None else list(d.nearest_at)}
                for d in self.defects
            ],
            "nearest_similarity": _none(self.nearest_similarity),
        }

    def image(self) -> npt.NDArray[np.uint8]:
        """The heat map over the picture with a box round each defect: [height, width, 3], RGB."""
        if self.map is None:
            raise ValueError("there is no map: the picture was inspected with map=False, or could not be read")
        low, high = self._heat
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = 0.0, float(self.map.max(initial=0)) or 1.0
        if self._picture is None or self._picture.shape[:2] != self.map.shape:
            drawn = _png.colours(self.map, low, high)
        else:
            drawn = _png.overlay(self._picture, self.map, low, high)
        for defect in self.defects:
            _png.box(drawn, *defect.box)
        return drawn

    def explain(self, defect: int = 0, good: Any = None) -> npt.NDArray[np.uint8]:
        """The place of a defect beside the nearest place of the good pictures: [side, 2 side + gap, 3], RGB.

        good  the good picture `defects[defect].nearest`, as an array or a path; None: the file of that name
        """
        if not 0 <= defect < len(self.defects):
            raise IndexError(f"defect {defect}: the result has {len(self.defects)}")
        if self.map is None or self._picture is None:
            raise ValueError("there is no map: the picture was inspected with map=False, or could not be read")
        found = self.defects[defect]
        if good is None:
            if found.nearest is None or not os.path.isfile(found.nearest):
                raise FileError(f"{found.nearest}: the nearest good picture is not here as a file; give it: explain(good=...)")
            good = found.nearest
        x0, y0, x1, y1 = (int(v) for v in found.box)
        y, x = np.unravel_index(int(self.map[y0:y1, x0:x1].argmax()), (y1 - y0, x1 - x0))
        peak = (float(x0 + x), float(y0 + y))
        return _png.side_by_side(self._picture, peak, _pictures.pixels(good).array, found.nearest_at or peak, max(x1 - x0, y1 - y0))

    def _repr_png_(self) -> Optional[bytes]:
        return None if self.map is None else _png.encode(self.image())

    def show(self) -> None:
        """Shows `image()`: in the notebook, or in a window by matplotlib or Pillow."""
        try:
            from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]
            from IPython.display import Image, display  # type: ignore[import-not-found,unused-ignore]

            if get_ipython() is not None and hasattr(get_ipython(), "kernel"):
                display(Image(self._repr_png_()))
                return
        except ImportError:
            pass
        try:
            from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            pass
        else:
            pyplot.imshow(self.image())
            pyplot.axis("off")
            pyplot.title(f"{self.label}: {self.score:.4g}")
            pyplot.show()
            return
        try:
            from PIL import Image as PilImage
        except ImportError:
            raise ImportError("show() takes a notebook, matplotlib or Pillow; image() returns the array") from None
        PilImage.fromarray(self.image()).show()
