# SPDX-License-Identifier: Apache-2.0
"""The main job works: the other tests of this folder build on it."""


def test_a_defect_is_found_and_a_good_picture_passes(dp, woven):
    run = dp.inspect(woven.bank, woven.new_good, woven.new_bad)
    assert [p["label"] for p in run.pictures] == ["good", "anomalous"]
    assert run.pictures[1]["defects"]


def test_the_same_on_aligned_parts(dp, rods):
    run = dp.inspect(rods.bank, rods.new_good, rods.new_bad)
    assert [p["label"] for p in run.pictures] == ["good", "anomalous"]
