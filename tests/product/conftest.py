# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: the program, pictures of products, checkpoints, banks.

A test here knows commands, files and JSON, and nothing of how the program is built.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from outcomes import pytest_runtest_logreport  # noqa: E402,F401

DINOPATCH = os.environ["DINOPATCH"]
GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MODEL = GOLDEN / "vit" / "micro_reg4.hub.safetensors"

# Canvas and grid of the banks below: small, so that a fit takes a fraction of a second.
CANVAS = "112x112"


@dataclass
class Run:
    """One run of the program: exit code, and what it said."""

    code: int
    out: str
    err: str
    args: list = field(default_factory=list)

    @property
    def lines(self):
        """The JSON objects of stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def pictures(self):
        """The JSON objects that speak of a picture, without a summary."""
        return [line for line in self.lines if "input" in line]

    def __str__(self):
        return f"{' '.join(map(str, self.args))}\nexit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment(home, **more):
    """The environment of a run: nothing of the user's own settings reaches the program."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("DINOPATCH") and k not in ("HF_ENDPOINT", "HF_TOKEN", "XDG_CACHE_HOME", "COLUMNS")}
    env.update(HOME=str(home), XDG_CACHE_HOME=str(Path(home) / "cache"), LC_ALL="C.UTF-8")
    env.update({k: str(v) for k, v in more.items()})
    return env


def test_data(*needed):
    """$DINOPATCH_TEST_DATA, or data/ below it, where all these are; None: in neither, or the variable is not set."""
    named = os.environ.get("DINOPATCH_TEST_DATA")
    for folder in (Path(named), Path(named) / "data") if named else ():
        if all((folder / name).exists() for name in needed):
            return folder
    return None


test_data.__test__ = False  # no test of pytest's


class Program:
    """The program under test, run in a folder of the test's own."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = DINOPATCH

    def run(self, *args, code=None, timeout=120, cwd=None, env=None, stdin=subprocess.DEVNULL):
        """Runs `dinopatch ARGS...`; where `code` is given the exit code must be it (or one of them)."""
        return self._run([self.path, *map(str, args)], code, timeout, cwd, env, stdin)

    def research(self, name, *args, code=None, timeout=120):
        """Runs one of the programs of research/; skips the test where they were not built."""
        path = Path(self.path).parent / "research" / name
        if not path.exists():
            pytest.skip("the programs of research/ were not built")
        return self._run([path, *map(str, args)], code, timeout)

    def _run(self, args, code, timeout, cwd=None, env=None, stdin=subprocess.DEVNULL):
        done = subprocess.run(args, cwd=cwd or self.folder, env=environment(self.folder, **(env or {})), stdin=stdin,
                              capture_output=True, timeout=timeout)
        run = Run(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), args)
        codes = (code,) if isinstance(code, int) else code
        assert codes is None or run.code in codes, f"exit code {run.code}, expected {code}\n{run}"
        assert run.code >= 0, f"ended by signal {-run.code}\n{run}"
        return run

    def fit(self, bank, *good, code=0, model=MODEL, canvas=CANVAS, align="none", polarity=None,
            method="dinopatch", **kw):
        """A bank in a fixed pose (align none) by the paper's features unless told otherwise; it replaces one of the same name."""
        options = ["--method", method] if method else []
        options += ["--align", align] if align else []
        options += ["--canvas", canvas] if canvas else []
        options += ["--polarity", polarity] if polarity else []
        return self.run("fit", "--model", model, "--overwrite", "--bank", bank, *options, *good, code=code, **kw)

    def inspect(self, bank, *pictures, code=0, **kw):
        """`inspect --json`."""
        return self.run("inspect", "--bank", bank, "--json", *pictures, code=code, **kw)


@pytest.fixture
def dp(tmp_path):
    return Program(tmp_path)


# ------------------------------------------------------------------------------------------------------------ pictures


def texture(seed, width=160, height=160, defect=False, light=1.0):
    """A woven texture, no object in it: [height, width, 3] uint8.  The weave is the same in all, the noise is not."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    weave = 128 + 40 * np.sin(2 * np.pi * x / 16) * np.cos(2 * np.pi * y / 16)
    picture = weave[..., None] * np.array([1.0, 0.9, 0.8]) + rng.normal(0, 6, (height, width, 3))
    if defect:
        top, left = height // 3, width // 3
        picture[top:top + height // 5, left:left + width // 5] = [250, 30, 20]
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def part(seed, size=192, defect=False, angle=None, shift=None, round_part=False):
    """A long part on an even ground, turned by 20 to 60 degrees and shifted a little: [size, size, 3] uint8."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(20, 60) if angle is None else angle
    shift = rng.uniform(-6, 6, 2) if shift is None else shift
    scale = 4
    image = Image.new("RGB", (size * scale, size * scale), (200, 200, 196))
    draw = ImageDraw.Draw(image)
    c = size * scale / 2
    if round_part:
        draw.ellipse([c - size, c - size, c + size, c + size], fill=(60, 62, 70))
    else:
        draw.rectangle([c - 1.3 * size, c - 0.35 * size, c + 1.3 * size, c + 0.35 * size], fill=(60, 62, 70))
        draw.rectangle([c + 0.9 * size, c - 0.6 * size, c + 1.3 * size, c + 0.6 * size], fill=(60, 62, 70))
        for k in range(6):
            x = c - 1.2 * size + k * 0.3 * size
            draw.line([x, c - 0.3 * size, x + 0.15 * size, c + 0.3 * size], fill=(120, 124, 130), width=scale * 2)
    if defect:
        draw.ellipse([c - 0.3 * size, c - 0.25 * size, c + 0.2 * size, c + 0.25 * size], fill=(230, 60, 30))
    image = image.rotate(angle, Image.BICUBIC, fillcolor=(200, 200, 196), translate=tuple(scale * shift))
    small = np.asarray(image.resize((size, size), Image.LANCZOS), float)
    return np.clip(small + rng.normal(0, 2, small.shape), 0, 255).astype(np.uint8)


def save(pixels, path):
    """Writes pixels as the suffix says; makes the folder; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def textures(folder, n, first=0, **kw):
    """n good pictures of a texture in a folder."""
    return [save(texture(first + i, **kw), Path(folder) / f"{i:03d}.png") for i in range(n)]


def parts(folder, n, first=0, **kw):
    return [save(part(first + i, **kw), Path(folder) / f"{i:03d}.png") for i in range(n)]


# -------------------------------------------------------------------------------------- banks that many tests only read


@dataclass
class World:
    """A product: its good pictures, a bank of them, new pictures.  Read only: copy what you change."""

    folder: Path
    good: Path
    bank: Path
    new_good: Path
    new_bad: Path


def _world(folder, make, **fit):
    good = folder / "good"
    for i in range(12):
        save(make(i), good / f"{i:03d}.png")
    new_good = save(make(104), folder / "new" / "good.png")
    new_bad = save(make(101, defect=True), folder / "new" / "bad.png")
    bank = folder / "good.bank"
    Program(folder).fit(bank, good, **fit)
    return World(folder, good, bank, new_good, new_bad)


@pytest.fixture(scope="session")
def woven(tmp_path_factory):
    """A texture, not aligned."""
    return _world(tmp_path_factory.mktemp("woven"), texture)


@pytest.fixture(scope="session")
def rods(tmp_path_factory):
    """Parts, aligned by their contours."""
    return _world(tmp_path_factory.mktemp("rods"), part, align="pca", polarity="none")


@pytest.fixture
def copy(tmp_path):
    """Copies a file or a folder of a world into the test's own folder."""
    def copy(source, name=None):
        target = tmp_path / (name or Path(source).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copytree(source, target) if Path(source).is_dir() else shutil.copy2(source, target))
    return copy
