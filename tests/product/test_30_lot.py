# SPDX-License-Identifier: Apache-2.0
"""A lot judged by itself: against a float64 reference of MuSc's mutual scoring, and what it says, writes and refuses."""

import json
import shutil

import numpy as np
import pytest
from conftest import MODEL, part, save, texture, textures
from splitmix import Random
from test_26_methods import tensor, top

HOW = ["--align", "none", "--canvas", "64x64"]


def lot(dp, *args, code=0, **kw):
    return dp.run("lot", "--json", *args, code=code, **kw)


def woven(dp, n=16, bad=(3, 11)):
    for i in range(n):
        save(texture(i, defect=i in bad), dp.folder / "lot" / f"{i:03d}.png")
    return {f"lot/{i:03d}.png" for i in bad}


def ring(n, compared, seed):
    """[(i, j, slot of j for i)], both ways."""
    order, every = Random(seed, 3).shuffled(n), not compared or compared >= n - 1
    reach = (n - 1) // 2 if every else max(compared // 2, 2)
    pairs = [(order[a], order[(a + o) % n], o) for o in range(1, reach + 1) for a in range(n)]
    if every and n % 2 == 0:
        pairs += [(order[a], order[a + n // 2], reach + 1) for a in range(n // 2)]
    return pairs


def averaged(x, side):
    n, rows, cols, _ = x.shape
    h, out = side // 2, np.empty_like(x)
    for r in range(rows):
        for c in range(cols):
            out[:, r, c] = x[:, max(0, r - h):r + h + 1, max(0, c - h):c + h + 1].mean((1, 2))
    return out.reshape(n, rows * cols, -1)


def reference(x, compared, seed):
    """x [n, rows, cols, dim] -> (score, score alone) of each picture and the agreement."""
    n, total, halves = len(x), 0, [0, 0]
    for side in (1, 3, 5):
        y, found = averaged(x, side), [[] for _ in range(n)]
        for i, j, offset in ring(n, compared, seed):
            squares = (y[i] ** 2).sum(1)[:, None] + (y[j] ** 2).sum(1) - 2 * y[i] @ y[j].T
            found[i].append((offset, np.sqrt(np.maximum(0, squares.min(1)))))
            found[j].append((offset, np.sqrt(np.maximum(0, squares.min(0)))))
        def low(keep):
            chosen = [np.sort([d for o, d in f if keep(o)], 0) for f in found]
            return np.array([c[:max(1, int(0.3 * len(c)))].mean(0) for c in chosen]) / 3
        total = total + low(lambda o: True)
        halves = [halves[0] + low(lambda o: o % 2), halves[1] + low(lambda o: not o % 2)]
    alone = np.array([top(m) for m in total])
    pooled = x.mean((1, 2))
    w = pooled @ pooled.T / np.outer(*[np.linalg.norm(pooled, axis=1)] * 2)
    np.fill_diagonal(w, 2)  # itself first
    score = np.zeros(n)
    for i in range(n):
        at = np.argsort(-w[i], kind="stable")[:3]
        at = at[w[i, at] > 0]  # a picture that is like no other keeps its own score
        weights = np.where(at == i, 1, w[i, at])
        score[i] = np.mean([(weights[:k] * alone[at[:k]]).sum() / weights[:k].sum() for k in range(1, len(at) + 1)])
    values = [np.array([top(m) for m in half]) for half in halves]
    ranks = [((v[:, None] > v + 1e-6 * v).sum(1) - (v[:, None] < v - 1e-6 * v).sum(1)) for v in values]  # two pictures nearest to each other tie
    return score, alone, np.corrcoef(ranks[0], ranks[1])[0, 1]


@pytest.mark.parametrize("n, compare", [(16, 0), (9, 0), (16, 6)])
@pytest.mark.parametrize("more", [[], ["--model", MODEL, "--canvas", "112x112"]], ids=["nano", "small"])
def test_the_scores_are_those_of_the_reference(dp, n, compare, more):
    woven(dp, n, (3,))
    lines = lot(dp, *HOW, *more, "--compare", compare, "--seed", "4", "--summary", "lot").lines
    dp.run("fit", *HOW, *more, "--seed", "4", "--out", "all.bank", "lot", code=0)
    x = np.moveaxis(tensor(dp.folder / "all.bank", "features").astype(float), 2, 0)
    score, alone, agreement = reference(x, compare, 4)
    assert [line["score_alone"] for line in lines[:-1]] == pytest.approx(alone, rel=1e-6)
    assert [line["score"] for line in lines[:-1]] == pytest.approx(score, rel=1e-6)
    assert lines[-1]["summary"]["agreement"] == pytest.approx(agreement, abs=1e-9)
    assert lines[-1]["summary"]["compared"] == (compare or n - 1)
    score = np.array([line["score"] for line in lines[:-1]])
    middle = np.median(score)
    spread = 1.4826 * np.median(middle - score[score <= middle])
    assert [line["robust_z"] for line in lines[:-1]] == pytest.approx((score - middle) / spread, rel=1e-6)
    assert [line["trusted"] for line in lines[:-1]] == [bool(z <= 2) for z in (score - middle) / spread]


def test_defects_stand_out_and_the_bank_is_a_fit_of_the_rest(dp):
    bad = woven(dp)
    run = lot(dp, "--size", "128", "--summary", "--mostly-good", "--out", "first.bank", "lot")
    *lines, last = run.lines
    assert bad == {line["input"] for line in sorted(lines, key=lambda line: -line["score"])[:2]}
    trusted = [line["input"] for line in lines if line["trusted"]]
    assert not bad & set(trusted) and last["summary"]["trusted"] == len(trusted) >= 8
    assert "compared with 15 of 15 others" in run.err and "same defect, it looks normal" in run.err and "calibrate --good" in run.err
    assert f"16 pictures: {len(trusted)} trusted, {16 - len(trusted)} stand out, 0 not judged" in run.err
    (dp.folder / "names").write_text("\n".join(trusted))
    dp.run("fit", "--size", "128", "--out", "again.bank", "--files-from", "names", code=0)
    assert (dp.folder / "first.bank").read_bytes() == (dp.folder / "again.bank").read_bytes()
    one = lot(dp, "--size", "128", "--threads", "1", "--summary", "lot")
    assert one.out == run.out
    text = dp.run("lot", "--size", "128", "--quiet", "lot", code=0)
    assert len(text.out.splitlines()) == 16 and text.out.count("stands out") == 16 - len(trusted)


def test_what_cannot_be_told_is_said(dp):
    """All alike in chance alone, or most of them defective."""
    for i in range(16):
        picture = texture(i)
        if i % 4:
            rng = np.random.default_rng(i)
            at = rng.integers(0, 110, 2)
            picture[at[0]:at[0] + 50, at[1]:at[1] + 50] = rng.integers(0, 255, 3)
        save(picture, dp.folder / "lot" / f"{i:03d}.png")
    said = lot(dp, "--size", "128", "lot").err
    assert "stand out: a lot can tell good from bad only if most of it is good" in said or "this order says little" in said
    textures(dp.folder / "even", 40)
    assert "this order says little" in lot(dp, "--size", "64", "--compare", "4", "even").err


def test_no_bank_is_written_unless_the_lot_is_said_to_be_mostly_good(dp):
    woven(dp, 9, (3,))
    run = lot(dp, *HOW, "--out", "x.bank", "lot", code=2)
    assert "--out needs --mostly-good" in run.err and run.out == "" and not (dp.folder / "x.bank").exists()
    lot(dp, *HOW, "--mostly-good", "--out", "x.bank", "lot", code=0)
    assert (dp.folder / "x.bank").exists()


def test_pictures_that_are_not_judged(dp):
    woven(dp, 10, ())
    (dp.folder / "lot" / "004.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    shutil.copy(dp.folder / "lot" / "005.png", dp.folder / "lot" / "twin.png")
    run = lot(dp, "--size", "128", "--summary", "--mostly-good", "--out", "x.bank", "lot", code=1)
    *lines, last = run.lines
    states = {line["input"]: (line["status"], line["score"] is None, line["trusted"] is None) for line in lines}
    assert states["lot/004.png"] == ("error", True, True) and states["lot/twin.png"] == ("twin", True, True)
    assert sum(s == ("ok", False, False) for s in states.values()) == 9 and [line["input"] for line in lines] == sorted(states)
    assert last["summary"]["not_judged"] == 1 and last["summary"]["twins"] == 1
    assert (dp.folder / "x.bank").exists()


def test_what_is_refused(dp):
    textures(dp.folder / "few", 7)
    textures(dp.folder / "lot", 9)
    run = lot(dp, "few", code=4)
    assert "a lot of 7 pictures is too small to be judged by itself; give at least 8" in run.err and run.out == ""
    for path in list((dp.folder / "lot").iterdir())[:2]:
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "a lot of 7 pictures is too small" in lot(dp, "lot", code=4).err
    textures(dp.folder / "lot", 9)
    for args, said in ((["--layout", "flat"], "bank.layout other than grid"), (["--kmeans", "2"], "bank.kmeans"), (["--pca", "0.9"], "bank.pca"),
                       (["--shots", "8"], "pictures.shots")):
        assert f"{said}: a lot is judged by all features" in lot(dp, *args, "lot", code=2).err
    assert "--summary needs --json" in dp.run("lot", "--summary", "lot", code=2).err
    (dp.folder / "x.bank").write_bytes(b"mine")
    assert lot(dp, "--mostly-good", "--out", "x.bank", "lot", code=2).out == "" and (dp.folder / "x.bank").read_bytes() == b"mine"
    assert "give the pictures of a lot" in dp.run("lot", code=2).err


def test_parts_are_aligned_as_in_a_fit(dp):
    for i in range(9):
        save(part(i, defect=i == 4), dp.folder / "lot" / f"{i}.png")
    lines = lot(dp, "--align", "pca", "--polarity", "none", "--canvas", "112x112", "lot").pictures
    assert max(lines, key=lambda line: line["score_alone"])["input"] == "lot/4.png"
    assert json.dumps(lines)
