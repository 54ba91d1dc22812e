# SPDX-License-Identifier: Apache-2.0
"""Pictures from arrays, files, Pillow, and other libraries' memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Optional, Protocol, Union

import numpy as np
import numpy.typing as npt

from ._core import ffi, lib
from ._errors import DinopatchError, FileError, OutOfMemoryError, PictureError
from ._run import log


class _Array(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class _DLPack(Protocol):
    def __dlpack__(self) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


#: One picture: an array, a path, a PIL image, or what hands over its memory.
Picture = Union[npt.NDArray[Any], str, "os.PathLike[str]", _Array, _DLPack, Any]

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}


class Pixels(NamedTuple):
    """A picture as the library takes it."""

    array: npt.NDArray[Any]  # [height, width] or [height, width, 3]; rows may lie apart, pixels of a row do not
    bgr: bool
    name: Optional[str]  # of its file


def is_path(picture: object) -> bool:
    return isinstance(picture, (str, bytes, os.PathLike)) and not _is_file_content(picture)


def _is_file_content(picture: object) -> bool:
    """Bytes that are no name: a picture file's all have a zero in them."""
    return isinstance(picture, bytearray) or (isinstance(picture, bytes) and b"\0" in picture)


def _content(picture: Any) -> PictureError:
    return PictureError(f"{len(picture)} bytes are no picture and no path; of the content of a file give PIL.Image.open(io.BytesIO(content))")


def path_text(picture: Any) -> str:
    return os.fsdecode(os.fspath(picture))


def _may_be_a_picture(value: Any) -> bool:
    return hasattr(value, "getbands") or isinstance(value, os.PathLike) or len(getattr(value, "shape", ())) >= 2


def unpaired(picture: Any) -> Any:
    """Of a pair (picture, label) the picture: the label is not read."""
    if isinstance(picture, (tuple, list)) and picture and not np.isscalar(picture[0]) and not isinstance(picture[0], list):
        if any(_may_be_a_picture(other) for other in picture[1:]):  # none is passed over in silence
            raise PictureError(f"a {type(picture).__name__} of {len(picture)} pictures where one is expected; give each by itself, and no mask")
        return picture[0]
    if isinstance(picture, tuple) and len(picture) == 2 and is_path(picture[0]) and not is_path(picture[1]):
        return picture[0]
    return picture


class NoPillow(PictureError):
    """No fault of the picture: no file at all can be read."""


def _not_here(name: str) -> PictureError:
    return NoPillow(f"{name}: reading picture files takes Pillow (pip install pillow, Debian: python3-pil), or give an array")


def _is_picture(image: Any, frame: int) -> bool:
    """Whether a page of a TIFF is neither a reduced picture nor a mask (NewSubfileType, SubfileType)."""
    image.seek(frame)
    tags = getattr(image, "tag_v2", {})
    return not int(tags.get(254, 0)) & 5 and tags.get(255, 0) != 2


def load(path: Any) -> npt.NDArray[Any]:
    """The pixels of a file, [height, width] or [height, width, 3]; needs Pillow.

    Orientation is applied, embedded profiles become sRGB, transparent parts black. 16-bit gray stays as it is. A file of several
    pictures is refused.
    """
    name = os.fsdecode(path)
    if not name:
        raise FileError("an empty path; give the name of a picture file")
    try:
        from PIL import Image
    except ImportError:
        raise _not_here(name) from None
    try:
        with Image.open(name) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # the others of a JPEG are made from the first
                frames = [n for n in range(image.n_frames) if _is_picture(image, n)] or [0]
                if len(frames) > 1:
                    raise PictureError(f"{name}: holds {len(frames)} pictures, of which one would be inspected; give each by itself, "
                                       "as PIL.ImageSequence.Iterator has them")
                image.seek(frames[0])
            if image.mode in ("RGB", "RGBA") and any("16" in str(tile[-1]) for tile in image.tile):
                log.warning("%s: holds 16 bits a colour, of which Pillow reads 8; give an array to use all", name)
            return from_pil(image, name)
    except FileNotFoundError:
        raise FileError(f"{name}: no such file") from None
    except DinopatchError:
        raise
    except Image.DecompressionBombError as fault:
        raise PictureError(f"{name}: {fault}") from fault
    except MemoryError as fault:
        raise OutOfMemoryError(f"{name}: there is not enough memory for it") from fault
    except Exception as fault:  # damaged files make Pillow raise many kinds
        if isinstance(fault, OSError) and fault.errno is not None:
            raise FileError(f"{name}: cannot be read: {fault.strerror}") from fault
        raise PictureError(f"{name}: is no picture that Pillow reads, or is damaged: {fault}") from fault


def is_deep(path: str) -> bool:
    """Whether a file has more than 8 bits a sample, by its header alone."""
    try:
        from PIL import Image

        with Image.open(path) as image:
            return image.mode.startswith("I") or image.mode == "F"
    except Exception:  # load says why
        return False


def _to_srgb(image: Any) -> Any:
    """By the embedded profile, if there is one that Pillow can apply."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "L", "CMYK"):
        return image
    try:
        import io

        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImportError, OSError, ValueError):
        return image
    except Exception as fault:  # PyCMSError, which older versions of Pillow do not derive from these
        if type(fault).__name__ != "PyCMSError":
            raise
        return image


def from_pil(image: Any, name: str = "a PIL image") -> npt.NDArray[Any]:
    from PIL import Image, ImageOps

    image.getexif()  # kept; of a file of several pages it cannot be read after the pixels
    image.load()
    image = ImageOps.exif_transpose(image) or image
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        array = np.asarray(image)
        if image.mode == "F" or array.min(initial=0) < 0 or array.max(initial=0) > 65535:
            raise PictureError(f"{name}: its samples are no 8-bit or 16-bit numbers; convert it first")
        return array.astype(np.uint16)
    image = _to_srgb(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        whole = image.convert("RGBA")
        black = Image.new("RGBA", whole.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, whole)
    if image.mode not in ("RGB", "L"):
        image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    return np.asarray(image)


def _as_array(picture: Any) -> npt.NDArray[Any]:
    if isinstance(picture, np.ndarray):
        return picture
    if type(picture).__module__.startswith("PIL.") and hasattr(picture, "getbands"):
        return from_pil(picture)
    if hasattr(picture, "__array_interface__") or hasattr(picture, "__array_struct__"):
        return np.asarray(picture)
    if hasattr(picture, "__dlpack__"):
        kind = getattr(picture, "__dlpack_device__", lambda: (1, 0))()[0]
        if int(kind) not in (1, 3, 11, 13):  # the CPU, and memory of other kinds that it reads
            raise PictureError(f"a {type(picture).__name__} on another device; move it to the CPU first, with .cpu() in PyTorch")
        if getattr(picture, "requires_grad", False):
            picture = picture.detach()
        try:
            return np.from_dlpack(picture)
        except Exception as fault:
            raise PictureError(f"a {type(picture).__name__} does not hand over its memory by DLPack: {fault}") from fault
    if hasattr(picture, "__array__"):
        return np.asarray(picture)
    if _is_file_content(picture):
        raise _content(picture)
    if hasattr(picture, "read"):
        raise PictureError(f"a {type(picture).__name__} is an open file: give PIL.Image.open of it, or its path")
    raise PictureError(
        f"a {type(picture).__name__} is no picture: give an array of uint8 or uint16, a path, a PIL image, "
        "or an object with __array_interface__ or __dlpack__"
    )


def pixels(picture: Any, bgr: bool = False) -> Pixels:
    """Any picture as an array that the library reads where it lies, as far as it can."""
    picture = unpaired(picture)
    if is_path(picture):
        return Pixels(load(picture), False, path_text(picture))
    array = _as_array(picture)
    own_rgb = type(picture).__module__.startswith("PIL.")
    if array.dtype.kind == "u" and array.itemsize == 2:
        array = array.astype(np.uint16, copy=False)  # the machine's byte order
    if array.dtype not in (np.uint8, np.uint16):
        hint = "(picture * 255).round().astype('uint8') if white is 1" if array.dtype.kind == "f" else "astype('uint8')"
        raise PictureError(f"a picture of {array.dtype}; give uint8 or uint16: {hint}")
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] > 4:
        array = array.transpose(1, 2, 0)  # channels first, as PyTorch has them
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] == 4:
        raise PictureError("a picture of 4 channels; leave out the last, picture[..., :3], or lay it over a colour")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise PictureError(f"an array of shape {array.shape}; a picture is [height, width] or [height, width, 3]")
    if 0 in array.shape:
        raise PictureError(f"a picture without pixels, {array.shape[0]}x{array.shape[1]}")
    if bgr and not own_rgb and array.ndim == 3 and array.dtype == np.uint16:
        array, bgr = array[:, :, ::-1], False
    itemsize = array.itemsize
    packed = array.strides[1] == itemsize * (array.shape[2] if array.ndim == 3 else 1) and array.strides[-1] == itemsize
    row = array.shape[1] * itemsize * (array.shape[2] if array.ndim == 3 else 1)
    even = itemsize == 1 or (array.strides[0] % 2 == 0 and array.ctypes.data % 2 == 0)
    if not packed or not even or array.strides[0] < row:
        array = copied(array)
    return Pixels(array, bgr and not own_rgb and array.ndim == 3, None)


def copied(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    try:
        return np.array(array, order="C")
    except MemoryError as fault:
        raise OutOfMemoryError(f"a picture of {array.shape[0]}x{array.shape[1]} pixels: there is not enough memory for it") from fault


def own(picture: Any, bgr: bool) -> Pixels:
    """The pixels in memory of ours: whoever gave them may fill theirs again."""
    made = pixels(picture, bgr)
    return made if made.name is not None else made._replace(array=copied(made.array))


def stay(pictures: Any) -> bool:
    """Whether each picture of a collection stays as it is. Those of an iterator may be one buffer that is filled again and again."""
    return isinstance(pictures, (list, tuple, dict, np.ndarray))


def fill(image: Any, of: Pixels, white: int = 0) -> None:
    """Describes the pixels to the library, which reads them where they lie; the caller keeps them."""
    array = of.array
    deep = array.dtype == np.uint16
    image.size = ffi.sizeof("dp_image")
    image.pixels = ffi.cast("const void *", array.ctypes.data)
    image.height, image.width = array.shape[:2]
    image.stride_bytes = array.strides[0] if array.shape[0] > 1 else 0
    image.white = white if deep else 0
    if array.ndim == 2:
        image.format = lib.DP_GRAY16 if deep else lib.DP_GRAY8
    elif deep:
        image.format = lib.DP_RGB16
    else:
        image.format = lib.DP_BGR8 if of.bgr else lib.DP_RGB8


def folder(path: str) -> list[str]:
    """The picture files below a folder, by name; hidden files and folders are left out. Other files that are left out are told."""
    found: list[str] = []
    others: list[str] = []
    seen = set()

    def fail(fault: OSError) -> None:
        raise FileError(f"{fault.filename}: cannot be read: {fault.strerror}")

    for where, folders, files in os.walk(path, onerror=fail, followlinks=True):
        here = os.stat(where)
        if (here.st_dev, here.st_ino) in seen:  # a link led here again
            folders[:] = []
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "@")))
        for name in files:
            if not name.startswith("."):
                (found if os.path.splitext(name)[1].lower() in SUFFIXES else others).append(os.path.join(where, name))
    if others:
        log.warning("%s: %d of %d files do not end like pictures and are left out: %s%s", path, len(others), len(found) + len(others),
                    ", ".join(sorted(others)[:4]), ", ..." if len(others) > 4 else "")
    if not found:
        raise PictureError(f"{path}: no picture files ({', '.join(sorted(SUFFIXES))}) in it")
    return sorted(found)


def each(pictures: Any) -> Iterator[tuple[Optional[str], Any]]:
    """Names (None: it has none) and pictures of whatever the caller gave."""
    if _is_file_content(pictures):
        raise _content(pictures)
    if isinstance(pictures, bytes):
        pictures = os.fsdecode(pictures)
    if is_path(pictures):
        path = os.fspath(pictures)
        if not os.path.exists(path):
            raise FileError(f"{path}: no such file or folder")
        yield from ((name, name) for name in (folder(path) if os.path.isdir(path) else [path]))
    elif isinstance(pictures, Mapping):
        yield from ((str(name), picture) for name, picture in pictures.items())
    elif isinstance(pictures, np.ndarray) and (pictures.ndim < 3 or (pictures.ndim == 3 and pictures.shape[2] in (1, 3, 4))):
        raise PictureError(f"an array of shape {pictures.shape} is one picture; give a list of pictures")
    elif isinstance(pictures, Iterable) and not hasattr(pictures, "getbands"):
        for picture in pictures:
            yield (os.fsdecode(picture) if is_path(picture) else None), picture
    elif hasattr(pictures, "__getitem__") and hasattr(pictures, "__len__"):  # a Dataset of PyTorch
        for index in range(len(pictures)):
            yield None, pictures[index]
    else:
        raise PictureError(f"a {type(pictures).__name__} holds no pictures; give a list, a folder or an iterator")
