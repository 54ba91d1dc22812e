# SPDX-License-Identifier: Apache-2.0
"""The content of a file decides what it is: formats, depth, alpha, profiles, pages, damage.

`align` without a pose, on a canvas as large as the picture, shows the pixels that were read.
"""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from conftest import save, texture

W, H = 96, 80


class Reader:
    """The pixels of picture files as the program reads them: `align` without a pose, onto a canvas of the picture's own size."""

    def __init__(self, dp):
        self.dp, self.size, self.n = dp, (H, W), 0

    def run(self, paths, options, code):
        self.n += 1
        out = self.dp.folder / f"read{self.n}"
        run = self.dp.run("align", "--align", "none", "--canvas", "{}x{}".format(*self.size), "--out", out, *options, *paths, code=code)
        return run, out

    def __call__(self, path, *options, warned=None):
        run, out = self.run([path], options, 0)
        if warned is None:
            assert not run.err.strip(), run
        else:
            assert warned in run.err, run
        return np.asarray(Image.open(next(out.glob("*aligned.png"))))

    def all(self, paths):
        """Many files at once, whose stems differ."""
        run, out = self.run(paths, [], 0)
        assert not run.err.strip(), run
        return [np.asarray(Image.open(next(out.glob(path.stem + ".*aligned.png")))) for path in paths]

    def refused(self, path, *options):
        """The program refuses a file; returns what it said."""
        run, out = self.run([path], options, 1)
        assert not list(out.glob("*.png"))
        assert str(path) in run.err, run
        return run.err


@pytest.fixture
def pixels_of(dp):
    return Reader(dp)


@pytest.fixture
def refused(pixels_of):
    return pixels_of.refused


@pytest.fixture
def photo():
    """[H, W, 3] with light, dark and colour, even sides."""
    return texture(5, W, H, defect=True)


def put(folder, name, data):
    path = folder / name
    path.write_bytes(bytes(data))
    return path


def same(a, b, tolerance=0):
    a, b = (np.dstack([x] * 3) if x.ndim == 2 else x[..., :3] for x in (a, b))
    return a.shape == b.shape and int(np.abs(a.astype(int) - b).max()) <= tolerance


# ------------------------------------------------------------------------------------------------------------- writers


def bmp(pixels, bits=24, header=40, top_down=False, palette=None, masks=None, compression=None, body=None, fourth=0, pad=b""):
    """A bitmap.  pixels [h, w, 3], [h, w, 4] or indices [h, w]; body: rows that are encoded already."""
    h, w = pixels.shape[:2]
    rows = pixels if top_down else pixels[::-1]
    if body is None:
        lines = []
        for row in rows:
            if bits <= 8:
                codes = "".join(format(int(i), f"0{bits}b") for i in row)
                line = bytes(int(codes[i:i + 8].ljust(8, "0"), 2) for i in range(0, len(codes), 8))
            elif bits == 24:
                line = np.ascontiguousarray(row[:, 2::-1]).tobytes()
            elif masks is None and bits == 32:
                line = np.dstack([row[None, :, 2::-1], np.full((1, w, 1), fourth, np.uint8)]).tobytes()
            else:
                shown = masks or (0x7c00, 0x3e0, 0x1f)
                value = np.zeros(w, np.uint64)
                for c, mask in enumerate(shown):
                    if mask:
                        low = (mask & -mask).bit_length() - 1
                        most = mask >> low
                        value |= ((row[:, c].astype(np.uint64) * most + 127) // 255) << np.uint64(low)
                line = value.astype("<u4" if bits == 32 else "<u2").tobytes()
            lines.append(line + bytes(-len(line) % 4))
        body = b"".join(lines)
    table = b"" if palette is None else b"".join(bytes([p[2], p[1], p[0]]) + (b"" if header == 12 else b"\0") for p in palette)
    compression = compression if compression is not None else 3 if masks else 0
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, compression, len(body), 2835, 2835,
                           len(palette) if palette else 0, 0)
        four = struct.pack("<4I", *(tuple(masks) + (0,) * 4)[:4]) if masks else b""
        if header == 40:
            info += four[:12]
        else:
            info += four
            info += bytes(header - len(info))
    offset = 14 + len(info) + len(table) + len(pad)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + table + pad + body


def tiff(pages, big=False, end="<"):
    """A TIFF by hand: each page is ({tag: (type, values)}, [strips]); Strip tags are added."""
    word, entry_head = ("Q", "HHQ") if big else ("I", "HHI")
    out = bytearray(b"II" if end == "<" else b"MM")
    out += struct.pack(end + ("HHHQ" if big else "HI"), *((43, 8, 0, 16) if big else (42, 8)))
    size = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}
    link = len(out) - struct.calcsize(word)
    for tags, strips in pages:
        tags = dict(tags)
        if strips is not None:
            places = []
            for strip in strips:
                places.append(len(out))
                out += strip + bytes(len(strip) % 2)
            tags[273], tags[279] = (4, places), (4, [len(s) for s in strips])
        outside = {}
        for tag, (kind, values) in sorted(tags.items()):
            raw = struct.pack(f"{end}{len(values)}{size[kind]}", *values)
            if len(raw) > struct.calcsize(word):
                outside[tag] = len(out)
                out += raw + bytes(len(raw) % 2)
        struct.pack_into(end + word, out, link, len(out))
        out += struct.pack(end + ("Q" if big else "H"), len(tags))
        for tag, (kind, values) in sorted(tags.items()):
            raw = struct.pack(f"{end}{len(values)}{size[kind]}", *values)
            value = struct.pack(end + word, outside[tag]) if tag in outside else raw.ljust(struct.calcsize(word), b"\0")
            out += struct.pack(end + entry_head, tag, kind, len(values)) + value
        link = len(out)
        out += struct.pack(end + word, 0)
    return bytes(out)


def tags(pixels, **more):
    """Tags of an uncompressed page of [h, w, samples]; more: t262=... as (type, values)."""
    h, w, n = pixels.shape
    bits = 8 * pixels.itemsize
    base = {256: (4, [w]), 257: (4, [h]), 258: (3, [bits] * n), 259: (3, [1]), 262: (3, [2 if n >= 3 else 1]), 277: (3, [n]), 278: (4, [h])}
    base.update({int(k[1:]): v for k, v in more.items()})
    return base


# ---------------------------------------------------------------------------------------------------- formats by content

JP2 = io.BytesIO()
Image.fromarray(texture(3, 40, 40)).save(JP2, "JPEG2000")
JP2 = JP2.getvalue()


def gif():
    data = io.BytesIO()
    Image.fromarray(texture(3, 40, 40)).convert("P").save(data, "GIF")
    return data.getvalue()


OTHERS = {
    "JPEG 2000": JP2,
    "GIF": gif(),
    "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n" + bytes(range(1, 17)),
    "OpenEXR": b"\x76\x2f\x31\x01\x02\0\0\0" + bytes(300),
    "FITS": b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80) + b"NAXIS   =                    2".ljust(80)
            + b"NAXIS1  =                    2".ljust(80) + b"NAXIS2  =                    2".ljust(80) + b"END".ljust(2480) + bytes(2880),
    "JPEG XL": b"\xff\x0a\xfa\x1f\x01\x91\x08\x06\x01\x00",
    "PFM": b"Pf\n2 2\n-1.0\n" + bytes(16),
    "PAM": b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nENDHDR\n" + bytes(4),
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "PDF": b"%PDF-1.4\n%%EOF\n" + bytes(40),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_formats_that_are_not_read_are_named_with_a_remedy(dp, refused, name, suffix):
    said = refused(put(dp.folder, "a" + suffix, OTHERS[name]))
    assert name in said and "PNG" in said


def test_a_file_that_is_not_read_does_not_end_the_run(dp, woven, photo):
    bad = put(dp.folder, "bad.png", JP2)
    run = dp.inspect(woven.bank, bad, woven.new_good, code=1)
    assert [p["status"] for p in run.pictures] == ["error", "ok"]
    assert "JPEG 2000" in run.pictures[0]["error"]


@pytest.mark.parametrize("codec", [33003, 33004, 33005, 34712, 34887, 34661, 6, 34676, 32909, 50002])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_tiff_with_a_codec_that_is_not_safe_is_refused_by_its_name(dp, refused, photo, codec, tiled):
    page = tags(photo, t259=(3, [codec]))
    strips = [JP2]
    if tiled:
        del page[278]
        page.update({322: (3, [96]), 323: (3, [80])})
        data = tiff([({**page, 324: (4, [8]), 325: (4, [len(JP2)])}, None)])
        strips = None
    else:
        data = tiff([(page, strips)])
    said = refused(put(dp.folder, "a.tif", data))
    assert str(codec) in said and "TIFF" in said and "PNG" in said


def test_names_decide_nothing(dp, pixels_of, photo):
    plain = photo
    for kind, options in (("BMP", {}), ("PPM", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        data = io.BytesIO()
        Image.fromarray(photo).save(data, kind, **options)
        assert same(pixels_of(put(dp.folder, "b.jpg", data.getvalue())), plain), kind


# ----------------------------------------------------------------------------------------------------------------- BMP


@pytest.mark.parametrize("how", ["24", "32 stray 0", "32 stray 255", "32 stray 7", "32 fields", "32 fields v4", "32 swapped fields", "top-down",
                                 "core 24", "v5", "odd width"])
def test_bmp_of_true_colour(dp, pixels_of, photo, how):
    fields = (0xff0000, 0xff00, 0xff)
    pixels = photo[:, :91] if how == "odd width" else photo
    data = {
        "24": lambda: bmp(pixels),
        "32 stray 0": lambda: bmp(pixels, 32, fourth=0),
        "32 stray 255": lambda: bmp(pixels, 32, fourth=255),
        "32 stray 7": lambda: bmp(pixels, 32, header=108, fourth=7),
        "32 fields": lambda: bmp(pixels, 32, masks=fields),
        "32 fields v4": lambda: bmp(pixels, 32, header=108, masks=fields),
        "32 swapped fields": lambda: bmp(pixels, 32, masks=(0xff, 0xff00, 0xff0000)),
        "top-down": lambda: bmp(pixels, top_down=True),
        "core 24": lambda: bmp(pixels, header=12),
        "v5": lambda: bmp(pixels, header=124),
        "odd width": lambda: bmp(pixels),
    }[how]()
    pixels_of.size = pixels.shape[:2]
    assert same(pixels_of(put(dp.folder, "a.bmp", data)), pixels)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("header", [12, 40, 64, 124])
def test_bmp_with_a_palette(dp, pixels_of, bits, header):
    rng = np.random.default_rng(bits)
    palette = rng.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    index = np.kron(rng.integers(0, 1 << bits, (10, 13)), np.ones((8, 7), int))
    path = put(dp.folder, "a.bmp", bmp(index, bits, header=header, palette=[tuple(map(int, p)) for p in palette]))
    pixels_of.size = index.shape
    assert same(pixels_of(path), palette[index])


def test_bmp_of_os2_with_a_short_palette(dp, pixels_of):
    index = np.kron(np.arange(20).reshape(4, 5) % 3, np.ones((20, 19), int))
    palette = [(200, 10, 10), (20, 220, 30), (5, 9, 240)]
    path = put(dp.folder, "a.bmp", bmp(index, 8, header=12, palette=palette))
    pixels_of.size = index.shape
    assert same(pixels_of(path), np.array(palette, np.uint8)[index])


@pytest.mark.parametrize("masks", [None, (0x7c00, 0x3e0, 0x1f), (0xf800, 0x7e0, 0x1f), (0xf00, 0xf0, 0xf)])
def test_bmp_of_16_bits(dp, pixels_of, photo, masks):
    bits = [bin(m).count("1") for m in masks or (0x7c00, 0x3e0, 0x1f)]
    shown = np.stack([np.round((photo[..., c].astype(int) * ((1 << n) - 1) + 127) // 255 * 255 / ((1 << n) - 1)) for c, n in enumerate(bits)], -1)
    path = put(dp.folder, "a.bmp", bmp(photo, 16, masks=masks))
    assert same(pixels_of(path), shown.astype(np.uint8))


def test_alpha_of_a_bmp_counts_only_where_its_header_has_a_mask_for_it(dp, pixels_of, photo):
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:40] = 0
    four = np.dstack([photo, alpha])
    plain, half = save(photo, dp.folder / "a.png"), save(four, dp.folder / "b.png")
    fields = (0xff0000, 0xff00, 0xff, 0xff000000)
    assert same(pixels_of(put(dp.folder, "a.bmp", bmp(four, 32, header=108, masks=fields))), pixels_of(half))
    assert not same(pixels_of(plain), pixels_of(half), 40)
    unset = np.dstack([photo, 0 * alpha])
    said = pixels_of(put(dp.folder, "b.bmp", bmp(unset, 32, header=124, masks=fields)), warned="alpha")
    assert same(said, pixels_of(plain))


def rle8(index):
    out = b""
    for row in index[::-1]:
        at = 0
        while at < len(row):
            n = 1
            while at + n < len(row) and n < 255 and row[at + n] == row[at]:
                n += 1
            out += bytes([n, row[at]])
            at += n
        out += b"\0\0"
    return out + b"\0\1"


def test_bmp_in_runs(dp, pixels_of, refused):
    index = np.kron(np.arange(30).reshape(5, 6) % 7, np.ones((16, 16), int))
    palette = [(i * 40 % 256, i * 70 % 256, 255 - i * 30) for i in range(7)]
    plain = np.array(palette, np.uint8)[index]
    body = rle8(index)
    assert same(pixels_of(put(dp.folder, "a.bmp", bmp(index, 8, palette=palette, compression=1, body=body))), plain)
    said = refused(put(dp.folder, "b.bmp", bmp(index, 8, palette=palette, compression=1, body=body[:len(body) // 2])))
    assert "cut short after" in said and "--tolerant" in said


def test_a_very_wide_bmp(dp, woven):
    wide = np.zeros((3, 70000, 3), np.uint8)
    path = put(dp.folder, "wide.bmp", bmp(wide))
    run = dp.run("align", "--json", path, code=0)
    assert (run.lines[0]["width_px"], run.lines[0]["height_px"]) == (70000, 3)


def test_bmps_that_mean_nothing_are_refused(dp, refused, photo):
    data = bytearray(bmp(photo))
    for at, value, n in ((18, 0, 4), (22, 0, 4), (28, 7, 2), (30, 5, 4), (14, 39, 4), (10, 1 << 30, 4)):
        broken = bytearray(data)
        broken[at:at + n] = value.to_bytes(n, "little")
        refused(put(dp.folder, "a.bmp", broken))


# ----------------------------------------------------------------------------------------------------------------- PNM


@pytest.mark.parametrize("plain", [False, True])
def test_pnm_of_any_maxval(dp, pixels_of, photo, plain):
    paths, expected = [], []
    for maxval in (1, 3, 15, 100, 254, 255, 256, 1023, 4095, 16383, 65535):
        level = (photo.astype(int) * maxval + 127) // 255
        shown = ((level * 255 + maxval // 2) // maxval).astype(np.uint8)
        for data, kind, want in ((level, 6, shown), (level[..., 1], 5, shown[..., 1])):
            kind -= 3 * plain
            head = f"P{kind} # made by hand\n# {W} 7\n{W}\t{H}\n{maxval}\n".encode()
            body = b" ".join(str(v).encode() for v in data.ravel()) if plain else data.astype(">u2" if maxval > 255 else "u1").tobytes()
            paths.append(put(dp.folder, f"m{maxval}k{kind}.pnm", head + body))
            expected.append((want, 0 if maxval in (1, 3, 15, 255, 65535) else 1))
    for path, got, (want, tolerance) in zip(paths, pixels_of.all(paths), expected):
        assert same(got, want, tolerance), path


def test_bits_of_a_pbm_are_ink(dp, pixels_of):
    rng = np.random.default_rng(0)
    white = np.kron(rng.integers(0, 2, (10, 13)), np.ones((8, 7), int)).astype(bool)
    h, w = pixels_of.size = white.shape
    png = np.where(white, 255, 0).astype(np.uint8)
    raw = f"P4 {w} {h}\n".encode() + np.packbits(~white, axis=1).tobytes()
    text = f"P1\n#c\n{w} {h}\n".encode() + b"\n".join("".join("01"[int(not v)] for v in row).encode() for row in white)
    assert same(pixels_of(put(dp.folder, "a.pbm", raw)), png)
    assert same(pixels_of(put(dp.folder, "b.pbm", text)), png)


def test_pnm_that_is_cut_or_above_its_maxval(dp, refused, pixels_of, photo):
    gray = photo[..., 1]
    data = f"P5 {W} {H} 255\n".encode() + gray.tobytes()
    cut = put(dp.folder, "a.pgm", data[:len(data) - W * H // 2])
    assert "cut short after 50 % of the rows" in refused(cut)
    half = gray.copy()
    half[H // 2:] = 0
    assert same(pixels_of(cut, "--tolerant", warned="50 % of the rows"), half)
    assert "maxval" in refused(put(dp.folder, "b.pgm", f"P5 {W} {H} 100\n".encode() + gray.tobytes()))
    for head in (f"P5 {W} {H} 0\n", f"P5 {W} {H} 70000\n", f"P5 {W}\n", f"P5 {W} -3 255\n"):
        refused(put(dp.folder, "c.pgm", head.encode() + gray.tobytes()))


# ------------------------------------------------------------------------------------------------------- alpha and TIFF


@pytest.mark.parametrize("end,big", [("<", False), (">", False), ("<", True), (">", True)])
def test_an_extra_sample_is_alpha_only_where_the_tiff_says_so(dp, pixels_of, photo, end, big):
    extra = np.zeros((H, W, 1), np.uint8)
    extra[:, W // 2:] = 255
    four = np.dstack([photo, extra])
    plain, over = photo, pixels_of(save(four, dp.folder / "b.png"))
    said = lambda kind: put(dp.folder, "a.tif", tiff([(tags(four, **({} if kind is None else {"t338": (3, [kind])})), [four.tobytes()])], big, end))
    assert same(pixels_of(said(0), warned="ignored"), plain)
    assert same(pixels_of(said(None), warned="ignored"), plain)
    assert same(pixels_of(said(2)), over)
    multiplied = np.dstack([photo * (extra // 255), extra])
    path = put(dp.folder, "b.tif", tiff([(tags(multiplied, t338=(3, [1])), [multiplied.tobytes()])], big, end))
    assert same(pixels_of(path), over)


def test_an_extra_sample_beside_grey(dp, pixels_of, photo):
    gray = photo[..., :1]
    two = np.dstack([gray, 0 * gray])
    plain = gray[..., 0]
    assert same(pixels_of(put(dp.folder, "a.tif", tiff([(tags(two, t338=(3, [0])), [two.tobytes()])])), warned="ignored"), plain)
    assert not same(pixels_of(put(dp.folder, "b.tif", tiff([(tags(two, t338=(3, [2])), [two.tobytes()])]))), plain, 40)
    five = np.dstack([photo, 0 * gray, gray])
    assert same(pixels_of(put(dp.folder, "c.tif", tiff([(tags(five, t338=(3, [0, 0])), [five.tobytes()])])), warned="ignored"),
                photo)


def test_half_transparent_alpha_of_a_tiff_is_not_multiplied_twice(dp, pixels_of, photo):
    half = (photo.astype(int) * 128 // 255).astype(np.uint8)
    four = np.dstack([half, np.full((H, W, 1), 128, np.uint8)])
    path = put(dp.folder, "a.tif", tiff([(tags(four, t338=(3, [1])), [four.tobytes()])]))
    assert same(pixels_of(path), half)


def test_kinds_of_tiff_that_are_kept(dp, pixels_of, photo):
    gray = photo[..., :1]
    plain = gray[..., 0]
    white = put(dp.folder, "white.tif", tiff([(tags(255 - gray, t262=(3, [0])), [(255 - gray).tobytes()])]))
    assert same(pixels_of(white), plain)
    planes = put(dp.folder, "planes.tif", tiff([(tags(photo, t284=(3, [2])), [np.ascontiguousarray(photo[..., c]).tobytes() for c in range(3)])]))
    colour = photo
    assert same(pixels_of(planes), colour)
    wave = (gray // 86).astype(np.uint8)
    levels = [0, 90, 255]
    table = np.zeros((3, 256), int)
    table[:, :3] = [[0, 20 * 257, 255 * 257], [0, 200 * 257, 100 * 257], [0, 90 * 257, 30 * 257]]
    mapped = put(dp.folder, "palette.tif", tiff([(tags(wave, t262=(3, [3]), t320=(3, list(table.ravel()))), [wave.tobytes()])]))
    assert same(pixels_of(mapped), (table.T[wave[..., 0]] // 257).astype(np.uint8))
    assert levels


def test_numbers_of_a_tiff_that_are_no_light_are_refused(dp, pixels_of, refused, photo):
    """Floating-point samples run from 0 to 1; what goes beyond has a scale that nobody knows."""
    light = photo[..., 1].astype(np.float32) / 255
    Image.fromarray(light).save(dp.folder / "a.tif")
    assert same(pixels_of(dp.folder / "a.tif"), photo[..., 1])
    for name, samples in (("b.tif", 255 * light), ("c.tif", light - 0.2), ("d.tif", np.where(light > 0.5, np.nan, light).astype(np.float32))):
        Image.fromarray(samples).save(dp.folder / name)
        assert "floating-point" in refused(dp.folder / name)


def several(kind):
    """A file of two pictures of `photo`, the second one inverted: a function that writes it."""
    def write(path, photo):
        if kind == "TIFF":
            put(path.parent, path.name, tiff([(tags(p), [p.tobytes()]) for p in (photo, 255 - photo)]))
        elif kind == "PPM":
            put(path.parent, path.name, b"".join(b"P6 %d %d 255\n" % (W, H) + p.tobytes() for p in (photo, 255 - photo)))
        else:
            options = {"lossless": True} if kind == "WEBP" else {}
            Image.fromarray(photo).save(path, kind, save_all=True, append_images=[Image.fromarray(255 - photo)], **options)
    return write


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "PPM"])
def test_a_file_of_several_pictures_does_not_pass_by_its_first(dp, pixels_of, refused, photo, kind):
    path = dp.folder / f"a.{kind.lower()}"
    several(kind)(path, photo)
    said = refused(path)
    assert "of which one would be inspected" in said and "--tolerant" in said
    assert same(pixels_of(path, "--tolerant", warned="the first is taken"), photo)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_file_of_one_picture_that_could_hold_several_is_read(dp, pixels_of, photo, kind):
    path = dp.folder / f"a.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(photo).save(path, kind, save_all=True, **options)
    assert same(pixels_of(path), photo)


def test_a_thumbnail_in_front_is_not_the_picture(dp, pixels_of, photo):
    small = np.ascontiguousarray(photo[::8, ::8])
    whole = photo
    thumb = (tags(small, t254=(4, [1])), [small.tobytes()])
    page = (tags(photo), [photo.tobytes()])
    assert same(pixels_of(put(dp.folder, "a.tif", tiff([thumb, page]))), whole)
    old = (tags(small, t255=(3, [2])), [small.tobytes()])
    assert same(pixels_of(put(dp.folder, "b.tif", tiff([old, thumb, page]))), whole)
    mask = (tags(small[..., :1], t254=(4, [4]), t262=(3, [4])), [small[..., :1].tobytes()])
    assert same(pixels_of(put(dp.folder, "c.tif", tiff([mask, page, thumb]))), whole)


def test_inspect_labels_a_file_of_several_pages_not_inspected(dp, photo):
    good = dp.folder / "good"
    good.mkdir()
    for i in range(3):
        Image.fromarray(np.roll(photo, i, 1)).save(good / f"{i}.png")
    dp.run("fit", "--align", "none", "--out", dp.folder / "g.bank", good, code=0)
    several("TIFF")(dp.folder / "a.tif", photo)
    run = dp.run("inspect", "--bank", dp.folder / "g.bank", "--json", "--fail-on-anomaly", dp.folder / "a.tif", code=None)
    line = json.loads(run.out)
    assert line["status"] == "error" and line["label"] == "not_inspected" and "2 pages" in line["reason"], line
    assert run.code == 3


# ----------------------------------------------------------------------------------------------------------------- ICC


def profile(primaries=None, gamma=None, name=b"sRGB IEC61966-2.1"):
    """A matrix profile by hand; primaries: columns of XYZ under D50, gamma: None is the curve of sRGB."""
    xyz = primaries or ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
    s15 = lambda v: struct.pack(">i", round(v * 65536))
    point = lambda p: b"XYZ \0\0\0\0" + b"".join(map(s15, p))
    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(map(s15, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))) if gamma is None else \
        b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(1 + 78)
    blocks = {b"desc": text, b"wtpt": point((0.9642, 1, 0.8249)), b"cprt": b"text\0\0\0\0none\0", b"rXYZ": point(xyz[0]), b"gXYZ": point(xyz[1]),
              b"bXYZ": point(xyz[2]), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body, at = struct.pack(">I", len(blocks)), b"", 132 + 12 * len(blocks)
    for key, value in blocks.items():
        value += bytes(-len(value) % 4)
        table += key + struct.pack(">II", at + len(body), len(value))
        body += value
    head = bytearray(128)
    head[8:12] = b"\x02\x40\0\0"
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    head[68:80] = b"".join(map(s15, (0.9642, 1, 0.8249)))
    out = head + table + body
    out[0:4] = struct.pack(">I", len(out))
    return bytes(out)


WIDE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def test_a_profile_counts_by_its_content_not_its_name(dp, pixels_of, photo):
    def kept(name, icc):
        path = dp.folder / name
        Image.fromarray(photo).save(path, icc_profile=icc)
        return path
    plain = photo
    assert same(pixels_of(kept("nameless.png", profile(name=b"Camera 7"))), plain)
    assert same(pixels_of(kept("pillow.png", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())), plain)
    for name, icc in (("wide.png", profile(WIDE, 2.2)), ("linear.png", profile(gamma=1.0)), ("gamma.png", profile(gamma=1.8))):
        named, other = pixels_of(kept(name, icc)), pixels_of(kept(name, icc.replace(b"sRGB IEC61966-2.1", b"Photographers RGB")))
        assert same(named, other) and not same(named, plain, 10), name


def test_a_profile_that_cannot_be_used_is_said(dp, pixels_of, photo):
    path = dp.folder / "a.png"
    Image.fromarray(photo).save(path, icc_profile=b"no profile at all" * 20)
    said = pixels_of(path, warned="profile")
    assert same(said, photo)


# -------------------------------------------------------------------------------------------------------------- damage


def jpeg(pixels, **options):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=90, **options)
    return data.getvalue()


@pytest.fixture
def large(pixels_of):
    pixels_of.size = (256, 320)
    return texture(9, 320, 256)


def baseline_with_restarts(gray):
    """A grey baseline JPEG with a restart marker after each row of blocks, coded by hand: DC only."""
    h, w = gray.shape
    out = b"\xff\xd8\xff\xdb\0\x43\0" + bytes([8] * 64)
    out += b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, h, w, 1, 1, 0x11, 0)
    # DC table: categories 0 to 11 with codes of 4 bits; AC table: end of block alone with a code of 2 bits
    out += b"\xff\xc4" + struct.pack(">H", 2 + 17 + 12) + b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12))
    out += b"\xff\xc4" + struct.pack(">H", 2 + 17 + 2) + b"\x10" + bytes([0, 2] + [0] * 14) + bytes([0, 1])
    out += b"\xff\xdd\0\4" + struct.pack(">H", w // 8)
    out += b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    parts = []
    for y in range(0, h, 8):
        bits, before = "", 0
        for x in range(0, w, 8):
            dc = int(round((gray[y:y + 8, x:x + 8].mean() - 128)))
            difference, before = dc - before, dc
            n = abs(difference).bit_length()
            bits += format(n, "04b")
            if n:
                bits += format(difference if difference > 0 else difference + (1 << n) - 1, f"0{n}b")
            bits += "00"
        bits += "1" * (-len(bits) % 8)
        parts.append(bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0"))
    return out, parts


def restarted(head, parts):
    return head + b"".join(p + (b"\xff" + bytes([0xd0 + i % 8]) if i + 1 < len(parts) else b"") for i, p in enumerate(parts)) + b"\xff\xd9"


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 0}, {"quality": 40}])
def test_a_jpeg_cut_short_is_refused_whether_closed_or_not(dp, pixels_of, refused, large, options):
    options = dict(options)
    quality = options.pop("quality", 90)
    data = io.BytesIO()
    Image.fromarray(large).save(data, "JPEG", quality=quality, **options)
    data = data.getvalue()
    for share in (0.3, 0.6, 0.97):
        cut = data[:int(len(data) * share)]
        for end in (b"", b"\xff\xd9", b"\xff\xd9" + b"something else"):
            said = refused(put(dp.folder, "a.jpg", cut + end))
            assert "cut short after" in said and "% of the rows" in said and "--tolerant" in said
            rows = int(said.split("cut short after ")[1].split(" ")[0])
            assert 100 * share - 12 <= rows <= 100 * share + 8
            pixels_of(dp.folder / "a.jpg", "--tolerant", warned=f"{rows} % of the rows")


def test_a_whole_jpeg_without_its_end_is_taken(dp, pixels_of, large):
    for options in ({}, {"progressive": True}, {"subsampling": 0}):
        data = jpeg(large, **options)
        whole = pixels_of(put(dp.folder, "a.jpg", data))
        assert same(pixels_of(put(dp.folder, "b.jpg", data[:-2])), whole)
        assert same(pixels_of(put(dp.folder, "c.jpg", data + b"appended by a camera" * 50)), whole)


def test_a_progressive_jpeg_without_its_last_scans_is_refused(dp, refused, pixels_of, large):
    data = jpeg(large, progressive=True)
    scans = [i for i in range(len(data) - 1) if data[i:i + 2] == b"\xff\xda"]
    assert len(scans) > 4
    between = data.rfind(b"\xff\xc4", 0, scans[-1])
    for at in (scans[-1], between if between > scans[-2] else scans[-1], scans[-2] + 40, scans[2]):
        for end in (b"", b"\xff\xd9"):
            path = put(dp.folder, "a.jpg", data[:at] + end)
            assert "cut short" in refused(path)
            pixels_of(path, "--tolerant", warned="cut short")


def test_a_jpeg_with_a_hole_is_refused(dp, refused, pixels_of, large):
    data = jpeg(large)
    start = data.index(b"\xff\xda") + 400
    for hole in (200, 1000):
        path = put(dp.folder, "a.jpg", data[:start] + data[start + hole:])
        assert "--tolerant" in refused(path)
        pixels_of(path, "--tolerant", warned="%")


def test_a_jpeg_with_data_twice_is_refused(dp, refused, large):
    data = jpeg(large)
    start = data.index(b"\xff\xda") + 400
    for n in (150, 3000):
        path = put(dp.folder, "a.jpg", data[:start + n] + data[start:])
        assert "--tolerant" in refused(path)


def test_restart_markers_tell_what_is_missing(dp, refused, pixels_of, large):
    head, parts = baseline_with_restarts(large[..., 1])
    whole = pixels_of(put(dp.folder, "a.jpg", restarted(head, parts)))
    data = restarted(head, parts)
    assert same(pixels_of(put(dp.folder, "b.jpg", data[:-2])), whole)
    assert same(pixels_of(put(dp.folder, "c.jpg", data[:-2] + b"\xff" + bytes([0xd0 + (len(parts) - 1) % 8]) + b"\xff\xd9")), whole)
    broken = [
        restarted(head, parts[:10] + parts[11:]),                     # a row is missing, the markers count on
        data.replace(b"\xff\xd3", b"", 1),                            # a marker is missing
        data.replace(b"\xff\xd3", b"\xff\xd5", 1),                    # a marker is another
        data.replace(parts[5] + b"\xff\xd5", (parts[5] + b"\xff\xd5") * 2, 1),
        restarted(head, parts + parts[-1:]),                          # a row too many
    ]
    for i, bytes_ in enumerate(broken):
        path = put(dp.folder, "d.jpg", bytes_)
        assert "--tolerant" in refused(path), i
        pixels_of(path, "--tolerant", warned="warning")


def test_harmless_oddities_of_a_jpeg_are_no_damage(dp, pixels_of, large):
    data = jpeg(large)
    whole = pixels_of(put(dp.folder, "a.jpg", data))
    assert data[6:11] == b"JFIF\0"
    odd = bytearray(data)
    odd[11] = 2
    assert same(pixels_of(put(dp.folder, "b.jpg", odd)), whole)
    fill = data.replace(b"\xff\xda", b"\xff\xff\xff\xda", 1)
    assert same(pixels_of(put(dp.folder, "c.jpg", fill)), whole)
    assert same(pixels_of(put(dp.folder, "d.jpg", data[:-2] + bytes(30) + data[-2:])), whole)


def chunks(data):
    at, out = 8, []
    while at < len(data):
        n = struct.unpack(">I", data[at:at + 4])[0]
        out.append((data[at + 4:at + 8], data[at + 8:at + 8 + n]))
        at += 12 + n
    return out


def png(parts, wrong=None):
    out = b"\x89PNG\r\n\x1a\n"
    for i, (kind, body) in enumerate(parts):
        crc = zlib.crc32(kind + body) ^ (1 if i == wrong else 0)
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    return out


def test_a_png_that_is_damaged_is_refused(dp, refused, pixels_of, large):
    data = io.BytesIO()
    Image.fromarray(large).save(data, "PNG")
    data = data.getvalue()
    parts = chunks(data)
    pixels = b"".join(body for kind, body in parts if kind == b"IDAT")
    step = len(pixels) // 8
    split = [parts[0]] + [(b"IDAT", pixels[i:i + step]) for i in range(0, len(pixels), step)] + [(b"IEND", b"")]
    whole = pixels_of(put(dp.folder, "a.png", png(split)))
    assert same(pixels_of(put(dp.folder, "b.png", png(split)[:-12])), whole)  # without its end: all pixels are there
    for i in (0, 1, 4):
        path = put(dp.folder, "c.png", png(split, wrong=i))
        refused(path)
    path = put(dp.folder, "d.png", png(split, wrong=4))
    assert "--tolerant" in refused(path)
    assert same(pixels_of(path, "--tolerant", warned="% of the rows"), whole)  # the data are good, the sum is not
    assert "--tolerant" in refused(put(dp.folder, "e.png", png(split[:4] + split[5:])))
    said = refused(put(dp.folder, "f.png", data[:len(data) * 44 // 100]))
    rows = int(said.split("cut short after ")[1].split(" ")[0])
    assert 34 <= rows <= 48
    pixels_of(dp.folder / "f.png", "--tolerant", warned=f"cut short after {rows} % of the rows")


def test_a_small_chunk_with_a_wrong_sum_is_damage_too(dp, refused, pixels_of, photo):
    image = Image.fromarray(photo).quantize(64)
    data = io.BytesIO()
    image.save(data, "PNG", transparency=3)
    parts = chunks(data.getvalue())
    kinds = [k for k, _ in parts]
    for kind in (b"PLTE", b"tRNS"):
        said = refused(put(dp.folder, "a.png", png(parts, wrong=kinds.index(kind))))
        assert "--tolerant" in said
    pixels_of(put(dp.folder, "b.png", png(parts)))


def test_a_webp_or_tiff_that_is_cut_is_refused(dp, refused, pixels_of, large):
    for options in ({"lossless": True}, {"quality": 80}):
        data = io.BytesIO()
        Image.fromarray(large).save(data, "WEBP", **options)
        assert "cut short" in refused(put(dp.folder, "a.webp", data.getvalue()[:len(data.getvalue()) // 2]))
    rows = [large[y:y + 16].tobytes() for y in range(0, 256, 16)]
    page = tags(large, t278=(4, [16]))
    # The directory first, so that cutting takes pixels away.
    offsets = [4000 + 16 * 960 * i for i in range(16)]
    data = bytearray(tiff([({**page, 273: (4, offsets), 279: (4, [len(r) for r in rows])}, None)]))
    data = bytes(data.ljust(4000, b"\0")) + b"".join(rows)
    whole = pixels_of(put(dp.folder, "a.tif", data))
    assert same(whole, large)
    path = put(dp.folder, "b.tif", data[:4000 + 960 * 128])
    assert "cut short after 50 % of the rows; export it again or pass --tolerant" in refused(path)
    half = large.copy()
    half[128:] = 0
    assert same(pixels_of(path, "--tolerant", warned="50 % of the rows"), half)


def test_every_command_that_reads_pictures_knows_tolerant(dp, large):
    data = jpeg(large)
    good = dp.folder / "good"
    good.mkdir()
    for i in range(4):
        (good / f"{i}.jpg").write_bytes(jpeg(texture(i, 320, 256)))
    put(good, "4.jpg", data[:len(data) * 8 // 10])
    dp.fit("strict.bank", good, code=(1, 4))
    run = dp.fit("t.bank", "--tolerant", good)
    assert "4.jpg" in run.err and "% of the rows" in run.err
    cut = put(dp.folder, "cut.jpg", data[:len(data) // 2])
    run = dp.inspect("t.bank", cut, code=1)
    assert run.pictures[0]["status"] == "error" and "--tolerant" in run.pictures[0]["error"]
    run = dp.inspect("t.bank", "--tolerant", cut)
    assert run.pictures[0]["status"] == "ok" and "% of the rows" in run.err
    dp.run("align", "--json", cut, code=1)
    dp.run("align", "--json", "--tolerant", cut, code=0)
    for command in (["fit"], ["inspect"], ["eval"], ["align"], ["embed"], ["bank", "add"], ["tune"]):
        assert "--tolerant" in dp.run(*command, "--help", code=0).out, command


# --------------------------------------------------------------------------------------------------------------- depth


def deep(pixels, bits, shift=0):
    """A grey 16-bit PNG of `bits` bits, shifted."""
    gray = pixels.astype(float)[..., 1]
    return Image.fromarray((np.round(gray / 255 * ((1 << bits) - 1)).astype(np.uint16) << shift))


def deep_set(dp, name, bits, shift=0, n=8, light=1.0):
    folder = dp.folder / name
    folder.mkdir()
    for i in range(n):
        pixels = texture(i, light=light)
        pixels[:6, :6] = 255  # something bright is in all of them
        deep(pixels, bits, shift).save(folder / f"{i}.png")
    return folder


def scores(run):
    return [p["score"] for p in run.pictures]


@pytest.mark.parametrize("bits,shift", [(8, 0), (10, 0), (12, 0), (14, 0), (12, 4), (10, 6), (10, 2), (8, 8)])
def test_bits_are_found_on_the_good_pictures_and_hold_for_all(dp, bits, shift):
    made = []
    for name, b, s in (("full", 16, 0), ("part", bits, shift)):
        good = deep_set(dp, name, b, s)
        run = dp.fit(f"{name}.bank", good)
        assert f"{b} significant bits" in run.err + run.out, run
        info = dp.run("bank", "info", "--json", f"{name}.bank", code=0)
        assert json.loads(info.out)["recipe"]["sample_white"] == ((1 << b) - 1) << s
        assert "significant bits" in dp.run("bank", "info", f"{name}.bank", code=0).out
        new = []
        for k, options in enumerate(({}, {"defect": True}, {"light": 0.2})):  # also one much darker than the good ones
            pixels = texture(50 + k, **options)
            deep(pixels, b, s).save(dp.folder / f"{name}{k}.png")
            new.append(dp.folder / f"{name}{k}.png")
        run = dp.run("inspect", "--bank", f"{name}.bank", "--json", *new)
        assert "exceed" not in run.err
        made.append(run)
    for p, q in zip(made[0].pictures, made[1].pictures):
        assert p["label"] == q["label"]
        if p["score"] is not None:
            assert q["score"] == pytest.approx(p["score"], rel=0.05), (p, q)
    assert made[1].pictures[1]["label"] != "good"


def test_the_same_sensor_at_either_end_of_16_bits_gives_the_same_figures(dp):
    result = []
    for name, shift in (("low", 0), ("high", 4)):
        dp.fit(f"{name}.bank", deep_set(dp, name, 12, shift))
        deep(texture(60, defect=True), 12, shift).save(dp.folder / f"{name}.png")
        result.append(scores(dp.run("inspect", "--bank", f"{name}.bank", "--json", dp.folder / f"{name}.png")))
    assert result[0] == result[1]


def test_a_picture_that_exceeds_the_bits_of_the_good_ones_says_so(dp):
    dp.fit("a.bank", deep_set(dp, "good", 12))
    deep(texture(60), 16).save(dp.folder / "x.png")
    deep(texture(60), 12).save(dp.folder / "y.png")
    run = dp.run("inspect", "--bank", "a.bank", "--json", "x.png", "y.png")
    assert "x.png" in run.err and "12 significant bits" in run.err and "y.png" not in run.err
    assert run.pictures[0]["label"] != "good"


def test_bits_hold_for_tiff_and_pgm_and_for_pictures_added_later(dp):
    good = deep_set(dp, "good", 12)
    for path in sorted(good.glob("*.png"))[4:]:
        pixels = np.asarray(Image.open(path)).astype(np.uint16)
        Image.fromarray(pixels).save(path.with_suffix(".tif"))
        path.unlink()
    run = dp.fit("a.bank", good)
    assert "12 significant bits" in run.err + run.out
    pixels = (texture(70)[..., 1].astype(np.uint16) * 8)  # 11 bits: it is still read by the bank's 12
    put(dp.folder, "more.pgm", b"P5 160 160 65535\n" + pixels.astype(">u2").tobytes())
    dp.run("bank", "add", "--bank", "a.bank", "more.pgm", code=(0, 1))
    assert json.loads(dp.run("bank", "info", "--json", "a.bank", code=0).out)["recipe"]["sample_white"] == 4095


def test_explain_shows_good_pictures_in_the_light_they_were_learned_in(dp):
    """Pictures of 12 bits that are too dark to tell so by themselves, and the same in 8 bits."""
    drawn = []
    for name, bits in (("eight", 8), ("twelve", 12)):
        folder = dp.folder / name
        for i in range(6):
            pixels = texture(i, light=0.2)
            if i == 0:
                pixels[:6, :6] = 255
            (folder / "good").mkdir(parents=True, exist_ok=True)
            (Image.fromarray(pixels[..., 1]) if bits == 8 else deep(pixels, bits)).save(folder / "good" / f"{i}.png")
        pixels = texture(60, light=0.2, defect=True)
        (Image.fromarray(pixels[..., 1]) if bits == 8 else deep(pixels, bits)).save(folder / "new.png")
        dp.fit(f"{name}/a.bank", f"{name}/good")
        run = dp.run("inspect", "--bank", f"{name}/a.bank", "--json", "--threshold", "0", "--out", f"{name}/out", "--explain", f"{name}/new.png", code=0)
        drawn.append(np.asarray(Image.open(dp.folder / run.pictures[0]["defects"][0]["explained"]).convert("L"), float))
    assert drawn[0].shape == drawn[1].shape and abs(drawn[0].mean() - drawn[1].mean()) < 2


def test_good_pictures_of_8_and_16_bits_are_said(dp):
    good = deep_set(dp, "good", 12)
    save(texture(30), good / "flat.png")
    run = dp.fit("a.bank", good)
    assert "8 of 9" in run.err
