# SPDX-License-Identifier: Apache-2.0
"""Pictures as the library asks for them: arrays lie in memory, files are read when their turn comes."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _pictures
from ._core import ffi, lib
from ._errors import DinopatchError, PictureError, status_of, whole
from ._pictures import Pixels
from ._run import on_error


class _InMemory:
    """A list of images of the library, and the arrays that it points into."""

    def __init__(self, pixels: list[Pixels], names: list[Any], white: int) -> None:
        self._pixels = pixels
        self._images = ffi.new("dp_image[]", len(pixels))
        for image, of in zip(self._images, pixels):
            _pictures.fill(ffi.addressof(image), of, white)
        self._names = ffi.new("char *[]", names)
        self._list = ffi.new("dp_image_list *", {"images": self._images, "names": self._names, "n": len(pixels)})
        self.source = ffi.new("dp_source *", lib.dp_source_images(self._list))


class _Taken(NamedTuple):
    picture: Union[str, Pixels]
    name: str


class Source:
    """Whatever the caller gave, each with a name.

    Of an iterator whose arrays may be one buffer that is filled again and again, each is copied. Files are opened when the library asks
    for them, several times during a fit, so that memory holds a few of them only.
    """

    def __init__(self, pictures: Any, bgr: bool = False, white: int = 0, first: int = 0) -> None:
        self._white = whole("white", white, 0, 65535)
        stay = _pictures.stay(pictures)
        self._taken: list[_Taken] = []
        for index, (name, picture) in enumerate(_pictures.each(pictures)):
            picture = _pictures.unpaired(picture)
            name = name or (_pictures.path_text(picture) if _pictures.is_path(picture) else f"picture {first + index}")
            if _pictures.is_path(picture):
                self._taken.append(_Taken(_pictures.path_text(picture), name))
                continue
            self._taken.append(_Taken(_pictures.pixels(picture, bgr) if stay else _pictures.own(picture, bgr), name))
        if not self._taken:
            raise PictureError("no pictures were given")
        self.names = [it.name for it in self._taken]
        self._texts = [ffi.new("char[]", name.encode("utf-8", "surrogateescape")) for name in self.names]
        self._handle = ffi.new_handle(self)
        self.raised: Optional[BaseException] = None  # in a callback, and no fault of a picture
        held = [it.picture for it in self._taken if isinstance(it.picture, Pixels)]
        if len(held) == len(self._taken):
            self._memory = _InMemory(held, self._texts, white)
            self.source = self._memory.source
        else:
            self.source = ffi.new("dp_source *", {"n": len(self._taken), "name": lib.source_name, "load": lib.source_load,
                                                  "find_white": lib.source_find_white, "user": self._handle})

    def __len__(self) -> int:
        return len(self._taken)

    def pixels(self, index: int) -> Pixels:
        picture = self._taken[index].picture
        return picture if isinstance(picture, Pixels) else Pixels(_pictures.load(picture), False, picture)

    # The three functions of dp_source, called from threads of the library.

    def name(self, index: int) -> Any:
        return self._texts[index]

    def load(self, index: int, options: Any, picture: Any, notes: Any, err: Any) -> int:
        try:
            pixels = self.pixels(index)
        except DinopatchError as fault:
            if err != ffi.NULL:
                said = str(fault).encode("utf-8", "surrogateescape")[: ffi.sizeof(err.message) - 1]
                err.status = status_of(fault)
                ffi.memmove(err.message, said + b"\0", len(said) + 1)
            return status_of(fault)
        memory = _InMemory([pixels], [self._texts[index]], self._white)  # lives until the library has read it
        return int(memory.source.load(memory.source.user, 0, options, picture, notes, err))

    def find_white(self, indices: Any, n: int, run: Any, white: Any, err: Any) -> int:
        deep = []
        for index in ffi.unpack(indices, n):
            picture = self._taken[index].picture
            try:
                if not isinstance(picture, Pixels) and not _pictures.is_deep(picture):
                    continue
                pixels = self.pixels(index)
            except DinopatchError:
                continue  # load says so
            if pixels.array.dtype == np.uint16:
                deep.append(pixels)
        if not deep:
            return int(lib.DP_OK)
        memory = _InMemory(deep, [self._texts[0]] * len(deep), self._white)  # lives until the library has read it
        every = ffi.new("size_t[]", list(range(len(deep))))
        return int(memory.source.find_white(memory.source.user, every, len(deep), run, white, err))


@ffi.def_extern(error=ffi.NULL, onerror=on_error)  # type: ignore[untyped-decorator]
def source_name(user: Any, index: int) -> Any:
    return ffi.from_handle(user).name(index)


@ffi.def_extern(error=lib.DP_E_CANCELLED, onerror=on_error)  # type: ignore[untyped-decorator]
def source_load(user: Any, index: int, options: Any, picture: Any, notes: Any, err: Any) -> int:
    return int(ffi.from_handle(user).load(index, options, picture, notes, err))


@ffi.def_extern(error=lib.DP_E_CANCELLED, onerror=on_error)  # type: ignore[untyped-decorator]
def source_find_white(user: Any, indices: Any, n: int, run: Any, white: Any, err: Any) -> int:
    return int(ffi.from_handle(user).find_white(indices, n, run, white, err))
