# SPDX-License-Identifier: Apache-2.0
"""Pictures in tar files are read where they lie, each file opened once; what is wrong with a tar file is said."""

import ctypes
import io
import json
import os
import struct
import tarfile

import numpy as np
import pytest
from conftest import texture, textures
from PIL import Image

FIT = ["--align", "none", "--canvas", "128x128"]


def encoded(picture, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind)
    return out.getvalue()


def put(tar, name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def make(path, members, form=tarfile.PAX_FORMAT, **options):
    """members: {name: bytes}, in their order."""
    with tarfile.open(path, "w", format=form, **options) as tar:
        for name, content in members.items():
            put(tar, name, content)
    return path.read_bytes()


@pytest.fixture
def shards(dp):
    """A folder of pictures and the same in two tar files with sidecars, as WebDataset lays them out."""
    textures(dp.folder / "good", 6)
    (dp.folder / "new").mkdir()
    for s in range(2):
        members = {}
        for i in range(5):
            name, kind = (f"{s}{i:04d}", ("png", "jpg", "tif", "bmp", "png")[i])
            data = encoded(texture(100 + 10 * s + i, defect=i == 3), {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind.upper()))
            (dp.folder / "new" / f"{name}.{kind}").write_bytes(data)
            members |= {f"./{name}.{kind}": data, f"./{name}.json": b"{}", f"./{name}.cls": b"0"}
        make(dp.folder / f"shard-{s}.tar", members, (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT)[s])
    dp.run("fit", *FIT, "--out", "good.bank", "good", code=0)
    return dp


def inspect(dp, *args, code=0):
    return dp.run("inspect", "--bank", "good.bank", "--json", "--no-times", *args, code=code)


def plain(run):
    """What was found, without the paths."""
    return [{k: v for k, v in line.items() if k != "input"} for line in run.pictures]


class Opens:
    """Counts how often files are opened (inotify)."""

    def __init__(self, *paths):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        assert self.fd >= 0
        for path in paths:
            assert self.libc.inotify_add_watch(self.fd, str(path).encode(), 0x20 | 0x10) >= 0  # opened, closed

    def count(self):
        opened = 0
        try:
            while data := os.read(self.fd, 1 << 16):
                at = 0
                while at < len(data):
                    _, mask, _, length = struct.unpack_from("iIII", data, at)
                    opened += bool(mask & 0x20)
                    at += 16 + length
        except BlockingIOError:
            pass
        os.close(self.fd)
        return opened


def test_the_pictures_of_tars_are_those_of_files(shards):
    files = inspect(shards, "new")
    tars = inspect(shards, "shard-0.tar", "shard-1.tar")
    assert plain(tars) == plain(files) and len(files.pictures) == 10
    assert [line["input"] for line in tars.pictures] == [
        f"shard-{s}.tar/{s}{i:04d}.{k}" for s in range(2) for i, k in enumerate(("png", "jpg", "tif", "bmp", "png"))]
    assert "20 files in 2 tar files are not pictures: shard-0.tar/00000.json" in tars.err
    (shards.folder / "list").write_text("shard-0.tar\nnew/10000.png\n")
    listed = inspect(shards, "--files-from", "list")
    assert [line["input"] for line in listed.pictures] == [line["input"] for line in tars.pictures[:5]] + ["new/10000.png"]


def test_a_tar_is_opened_once(shards):
    opens = Opens(shards.folder / "shard-0.tar", shards.folder / "shard-1.tar")
    inspect(shards, "shard-0.tar", "shard-1.tar")
    assert opens.count() == 2
    opens = Opens(shards.folder / "shard-0.tar", shards.folder / "shard-1.tar")
    shards.run("fit", *FIT, "--out", "from-tars.bank", "shard-0.tar", "shard-1.tar", code=0)
    assert opens.count() == 2


def test_a_bank_of_a_tar_is_that_of_the_files(shards):
    (shards.folder / "list").write_text("".join(f"{p.name}\n" for p in sorted((shards.folder / "new").iterdir())))
    run = shards.run("fit", *FIT, "--out", shards.folder / "files.bank", "--files-from", shards.folder / "list", cwd=shards.folder / "new", code=0)
    shards.run("fit", *FIT, "--out", "tars.bank", "shard-0.tar", "shard-1.tar", code=0)
    files, tars = (json.loads(shards.run("bank", "info", "--json", name, code=0).out) for name in ("files.bank", "tars.bank"))
    assert tars["threshold"] == files["threshold"] and tars["cell_threshold"] == files["cell_threshold"], run
    listed = shards.run("bank", "info", "tars.bank", code=0).out
    assert json.dumps(tars).count("shard-1.tar/10001.jpg") or "10001.jpg" in listed


def test_outputs_are_named_below_the_tar(shards):
    shards.run("inspect", "--bank", "good.bank", "--out", "out", "shard-0.tar", code=0)
    assert (shards.folder / "out/shard-0.tar/00000.heat.png").exists()
    assert (shards.folder / "out/shard-0.tar/00001.jpg.map.tiff").exists()
    run = shards.run("inspect", "--bank", "good.bank", "--overwrite", "--out", "shard-0.tar", "shard-0.tar", code=(1, 2, 4))
    assert "shard-0.tar" in run.err and tarfile.is_tarfile(shards.folder / "shard-0.tar")


@pytest.mark.parametrize("n", [2, 3])
def test_shards_of_tars_join_and_resume(shards, n):
    whole = inspect(shards, "shard-0.tar", "shard-1.tar")
    for i in range(n):
        run = inspect(shards, "--shard", f"{i}/{n}", "shard-0.tar", "shard-1.tar")
        (shards.folder / f"part-{i}.jsonl").write_text(run.out)
    assert shards.run("results", "merge", *[f"part-{i}.jsonl" for i in range(n)], code=0).out == whole.out
    cut = (shards.folder / "part-0.jsonl").read_text().splitlines(keepends=True)
    (shards.folder / "cut.jsonl").write_text("".join(cut[:2]))
    run = inspect(shards, "--shard", f"0/{n}", "--resume", "cut.jsonl", "shard-0.tar", "shard-1.tar")
    assert run.out == "".join(cut) and "1 of" in run.err
    # the digest is that of the picture's bytes: a tar file that was made again counts as the same
    members = {m.name: tarfile.open(shards.folder / "shard-0.tar").extractfile(m).read() for m in tarfile.open(shards.folder / "shard-0.tar")}
    make(shards.folder / "shard-0.tar", dict(reversed(members.items())))
    run = inspect(shards, "--shard", f"0/{n}", "--resume", "part-0.jsonl", "shard-0.tar", "shard-1.tar")
    assert f"part-0.jsonl: {len(cut) - 2} of {len(cut) - 2} pictures" in run.err


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_strange_names(shards, form):
    data = encoded(texture(3))
    names = ["a/" * 60 + "picture.png", "with space.png", "ünïcode/ß.png"]
    if form != tarfile.USTAR_FORMAT:
        names += ["x" * 200 + "/" + "y" * 180 + ".png"]
    make(shards.folder / "t.tar", {n: data for n in names}, form)
    run = inspect(shards, "t.tar")
    assert [line["input"] for line in run.pictures] == ["t.tar/" + n for n in names]
    assert len({line["score"] for line in run.pictures}) == 1


def test_hostile_members_get_sentences(shards):
    data = encoded(texture(4))
    with tarfile.open(shards.folder / "t.tar", "w") as tar:
        put(tar, "first.png", data)
        put(tar, "../outside.png", data)
        put(tar, "/absolute.png", data)
        put(tar, "folder/../../up.png", data)
        put(tar, "hard.png", type=tarfile.LNKTYPE, linkname="first.png")
        put(tar, "soft.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        put(tar, "pipe.png", type=tarfile.FIFOTYPE)
        put(tar, "inner.tar", b"0" * 1024)
        put(tar, "first.png", encoded(texture(5)))
        put(tar, "folder.png/", type=tarfile.DIRTYPE)
        put(tar, "__MACOSX/._first.png", data)
        put(tar, "empty.png")
        put(tar, "text.png", b"this is no picture")
    run = shards.run("inspect", "--bank", "good.bank", "--json", "--out", "out", "t.tar", code=1)
    assert [line["input"] for line in run.pictures] == ["t.tar/first.png", "t.tar/empty.png", "t.tar/text.png"]
    for sentence in ("t.tar/../outside.png: its name leads out of the tar file", "t.tar//absolute.png: its name leads out",
                     "t.tar/folder/../../up.png: its name leads out", "t.tar/hard.png: is a link", "t.tar/soft.png: is a link",
                     "t.tar/pipe.png: is no regular file", "t.tar/inner.tar: is a tar file in a tar file",
                     "t.tar/first.png: is twice in the tar file; the later one is taken",
                     "1 file in t.tar is hidden or a system file", "t.tar/empty.png: is empty", "t.tar/text.png: is not a picture"):
        assert sentence in run.err, sentence
    later = inspect(shards, "t.tar", code=1).pictures[0]["score"]
    (shards.folder / "later.png").write_bytes(encoded(texture(5)))
    assert inspect(shards, "later.png").pictures[0]["score"] == later
    assert not (shards.folder / "outside.heat.png").exists() and not (shards.folder.parent / "up.heat.png").exists()
    assert sorted(p.name for p in (shards.folder / "out").rglob("*.heat.png")) == ["first.heat.png"]


def test_many_bad_members_are_counted(shards):
    with tarfile.open(shards.folder / "t.tar", "w") as tar:
        for i in range(50):
            put(tar, f"../{i}.png", b"x")
    run = inspect(shards, "t.tar", code=1)
    assert run.err.count("leads out") == 8 and "42 more of its members" in run.err


def test_damaged_tars_get_sentences(shards):
    whole = (shards.folder / "shard-0.tar").read_bytes()
    members = list(tarfile.open(shards.folder / "shard-0.tar"))
    third = members[3]  # 00001.jpg

    def look(content, code=1, n=None):
        (shards.folder / "t.tar").write_bytes(content)
        run = inspect(shards, "t.tar", code=code)
        assert n is None or len(run.pictures) == n, run
        return run.err

    assert "t.tar: is cut short: of ./00001.jpg there are 100 of" in look(whole[:third.offset_data + 100], n=1)
    assert "t.tar: has no end mark" in look(whole[:third.offset], n=1)
    assert "t.tar: has no end mark" in look(whole[:third.offset + 77], n=1)
    broken = bytearray(whole)
    broken[third.offset + 5] ^= 1
    assert f"t.tar: is damaged at byte {third.offset}: no header" in look(bytes(broken), n=1)
    assert "has more after its end at byte" in look(whole + whole, n=5)
    assert "t.tar: is empty" in look(b"", n=0)
    assert "t.tar: is no tar file" in look(b"\x7f" * 4096, n=0)
    assert "t.tar: the tar file holds no pictures" in look(make(shards.folder / "t.tar", {"a.json": b"{}"}), n=0)
    assert "t.tar: the tar file holds no pictures" in look(bytes(10240), n=0)
    for mode, name in (("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz")):
        with tarfile.open(shards.folder / f"t.tar.{mode}", f"w:{mode}") as tar:
            put(tar, "a.png", encoded(texture(1)))
        assert f"t.tar.{mode}: is compressed by {name}; decompress it" in inspect(shards, f"t.tar.{mode}", code=1).err
    (shards.folder / "folder.tar").mkdir()
    assert "folder.tar: the folder holds no pictures" in inspect(shards, "folder.tar", code=1).err
    os.symlink("/dev/null", shards.folder / "null.tar")
    assert "null.tar: is not a regular file" in inspect(shards, "null.tar", code=1).err
    assert "cannot open" in inspect(shards, "missing.tar", code=1).err
    os.rename(shards.folder / "shard-0.tar", shards.folder / "shard-0")
    assert "shard-0: is a tar file, not a picture" in inspect(shards, "shard-0", code=1).err


def test_a_picture_of_two_gigabytes(shards):
    """It is told by its size, and nothing of that size is allocated or read."""
    path = shards.folder / "t.tar"
    info = tarfile.TarInfo("huge.png")
    info.size = 9 << 30
    with open(path, "wb") as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        out.write(encoded(texture(1)))
        out.seek(512 + info.size)
        small = tarfile.TarInfo("small.png")
        small.size = len(encoded(texture(2)))
        out.write(small.tobuf(tarfile.GNU_FORMAT))
        out.write(encoded(texture(2)))
        out.write(bytes(512 - small.size % 512 + 1024))
    run = inspect(shards, "t.tar", code=1)
    assert "t.tar/huge.png: has 9663676416 bytes, more than a picture of" in run.err
    assert [line["status"] for line in run.pictures] == ["error", "ok"]


def test_tiffs_of_any_kind_in_a_tar(shards):
    """A TIFF is a directory of offsets: they count from the member's begin."""
    members = {}
    deep = (texture(6)[..., 0].astype(np.uint16) << 4)
    out = io.BytesIO()
    Image.fromarray(deep).save(out, "TIFF")
    members["deep.tif"] = out.getvalue()
    members["cut.tif"] = encoded(texture(6), "TIFF")[:20000]
    for compression in ("tiff_lzw", "tiff_adobe_deflate"):
        out = io.BytesIO()
        Image.fromarray(texture(6)).save(out, "TIFF", compression=compression)
        members[f"{compression}.tif"] = out.getvalue()
    (shards.folder / "files").mkdir()
    for name, data in members.items():
        (shards.folder / "files" / name).write_bytes(data)
    make(shards.folder / "t.tar", dict(sorted(members.items())))
    files, tar = inspect(shards, "files", code=1), inspect(shards, "t.tar", code=1)
    strip = lambda run, folder: [json.loads(json.dumps(line).replace(folder + "/", "")) for line in run.pictures]
    assert strip(tar, "t.tar") == strip(files, "files") and len(tar.pictures) == 4
