# SPDX-License-Identifier: Apache-2.0
"""Whatever holds the same pixels gives the same result."""

import numpy as np
import pytest
from conftest import read, same
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import dinopatch as dp
from dinopatch import _pictures


class Interface:
    def __init__(self, array):
        self.kept = array
        self.__array_interface__ = array.__array_interface__


class DLPack:
    """As a tensor of another library: no array interface."""

    def __init__(self, array, device=1):
        self.kept, self.device = array, device

    def __dlpack__(self, **_):
        return self.kept.__dlpack__()

    def __dlpack_device__(self):
        return (self.device, 0)


def test_every_form_of_a_picture(bank, new, test_files):
    picture = new[0]
    expected = bank.inspect(picture)
    padded = np.zeros((picture.shape[0], picture.shape[1] + 7, 3), np.uint8)
    padded[:, :-7] = picture
    forms = {
        "path": test_files[0],
        "text": str(test_files[0]),
        "bytes": bytes(test_files[0]),
        "PIL": Image.fromarray(picture),
        "array interface": Interface(picture),
        "DLPack": DLPack(picture.copy()),
        "padded rows": padded[:, :-7],
        "columns first": np.asfortranarray(picture),
        "channels first": np.ascontiguousarray(picture.transpose(2, 0, 1)),
        "upside down twice": picture[::-1].copy()[::-1],
        "a pair with its label": (picture, 1),
        "a subclass": picture.view(np.matrix) if picture.ndim == 2 else picture.view(np.ndarray),
    }
    for form, it in forms.items():
        assert same(expected, bank.inspect(it)), form
    assert same(expected, bank.inspect(np.ascontiguousarray(picture[..., ::-1]), bgr=True))
    assert same(expected, bank.inspect(Image.fromarray(picture), bgr=True))  # a PIL image says its order itself


def test_gray_and_16_bits(bank, new):
    gray = new[0][..., 1].copy()
    expected = bank.inspect(np.dstack([gray] * 3))
    assert same(expected, bank.inspect(gray))
    assert same(expected, bank.inspect(gray[:, :, None]))
    assert same(expected, bank.inspect(gray.astype(np.uint16) * 257, white=65535))
    assert same(expected, bank.inspect((gray.astype(np.uint16) * 257).astype(">u2"), white=65535))
    deep = new[0].astype(np.uint16) * 257
    assert same(bank.inspect(new[0]), bank.inspect(deep, white=65535))
    assert same(bank.inspect(new[0]), bank.inspect(deep[..., ::-1].copy(), white=65535, bgr=True))


def test_files_of_other_kinds(new, tmp_path):
    picture = new[0]
    image = Image.fromarray(picture)
    image.save(tmp_path / "a.tif")
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    with_alpha = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    with_alpha[:10, :, 3] = 0
    Image.fromarray(with_alpha).save(tmp_path / "alpha.png")
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray((picture[..., 0].astype(np.uint16) * 16)).save(tmp_path / "deep.png")
    assert np.array_equal(_pictures.load(tmp_path / "a.tif"), picture)
    assert np.array_equal(_pictures.load(tmp_path / "turned.png"), picture)
    assert np.array_equal(_pictures.load(tmp_path / "p.png"), read_rgb(tmp_path / "p.png"))
    black = picture.copy()
    black[:10] = 0
    assert np.array_equal(_pictures.load(tmp_path / "alpha.png"), black)
    deep = _pictures.load(tmp_path / "deep.png")
    assert deep.dtype == np.uint16 and np.array_equal(deep, picture[..., 0].astype(np.uint16) * 16)


def read_rgb(path):
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(
    "picture, words",
    [
        (np.zeros((4, 4, 4), np.uint8), "4 channels"),
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((2, 3, 4, 5), np.uint8), r"\(2, 3, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), "without pixels"),
        (np.zeros(7, np.uint8), r"\(7,\)"),
        (7, "int is no picture"),
        (None, "NoneType is no picture"),
        (DLPack(np.zeros((4, 4), np.uint8), device=2), "another device"),
    ],
)
def test_what_is_no_picture(bank, picture, words):
    with pytest.raises(dp.PictureError, match=words):
        bank.inspect(picture)


def test_collections(good, good_files, drawn):
    by_list = dp.fit(good, align="none", size=96)
    folder = drawn / "train" / "good"
    for pictures in (iter(good), np.stack(good), {f"n{i}": p for i, p in enumerate(good)}, good_files, folder, str(folder), Dataset(good)):
        assert [p.score for p in dp.fit(pictures, align="none", size=96).pictures] == [p.score for p in by_list.pictures]
    named = dp.fit({"left": good[0], "right": good[1]}, align="none", size=96)
    assert [p.name for p in named.pictures] == ["left", "right"]
    with pytest.raises(dp.PictureError, match="is one picture"):
        dp.fit(good[0])
    with pytest.raises(dp.FileError, match="no such file or folder"):
        dp.fit("nowhere/")


class Dataset:
    """As PyTorch's: items are (picture, label), the index never ends by itself."""

    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index % len(self.pictures)], 0


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.one_of(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(5, 40), st.integers(5, 40), st.just(3))),
    ),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_any_strides_give_the_same_pixels(array, step_y, step_x, flipped):
    view = array[::step_y, ::step_x]
    view = view[::-1, ::-1] if flipped else view
    taken = _pictures.pixels(view)
    assert np.array_equal(taken.array, view)
    assert taken.array.strides[0] > 0 or taken.array.shape[0] == 1


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_no_size_ends_the_process(bank, height, width, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3) if seed % 2 else (height, width), np.uint8)
    result = bank.inspect(picture)
    assert result.label in ("good", "anomalous", "not_inspected")
    assert (result.reason is not None) == (result.label == "not_inspected")
    assert result.map is not None and result.map.shape == (height, width) and np.isfinite(result.map).all()
