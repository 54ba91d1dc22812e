# SPDX-License-Identifier: Apache-2.0
"""KServe V2: JSON, the binary tensor extension, and Triton's own client."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from conftest import problem


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def infer(world, body, status=200, **kw):
    return world.post("/v2/models/woven/infer", status, json=body, **kw)


def test_health_and_metadata(world):
    assert world.get("/v2").json()["name"] == "dinopatch"
    assert world.get("/v2/health/live").json() == {"live": True}
    assert world.get("/v2/health/ready").json() == {"ready": True}
    model = world.get("/v2/models/woven").json()
    assert model == world.get("/v2/models/woven/versions/1").json()
    assert model["inputs"][0]["datatype"] == "UINT8" and {o["name"] for o in model["outputs"]} >= {"score", "label", "map"}
    assert world.get("/v2/models/woven/ready").json()["ready"] is True
    assert "error" in problem(world.get("/v2/models/none/ready", 404))
    problem(world.get("/v2/models/woven/versions/2", 404))


def test_json_pixels_and_files_say_the_same(world):
    said = world.inspect("woven", world.new_bad, record="no").json()
    image = pixels(world.new_bad)
    for data in (image.tolist(), image.ravel().tolist()):
        answer = infer(world, {"id": "a", "inputs": [{"name": "image", "datatype": "UINT8", "shape": list(image.shape),
                                                      "data": data}]}).json()
        values = {o["name"]: o["data"][0] for o in answer["outputs"]}
        assert answer["model_name"] == "woven" and answer["id"] == "a"
        assert values["label"] == said["label"] and values["score"] == said["score"]
        assert values["threshold"] == said["threshold"] and "map" not in values
        assert {**json.loads(values["result"]), "input": ""} == {**said, "input": ""}
    text = base64.b64encode(world.new_bad.read_bytes()).decode()
    answer = infer(world, {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}],
                           "outputs": [{"name": "score"}]}).json()
    assert [o["name"] for o in answer["outputs"]] == ["score"] and answer["outputs"][0]["data"] == [said["score"]]


@pytest.mark.parametrize("input", [
    {"datatype": "UINT8", "shape": [2, 2, 3], "data": [1] * 11},
    {"datatype": "UINT8", "shape": [2, 2, 3], "data": [256] * 12},
    {"datatype": "UINT8", "shape": [2, 2, 3], "data": [0.5] * 12},
    {"datatype": "UINT8", "shape": [2, 2, 3]},
    {"datatype": "UINT8", "shape": [65537, 1, 3], "data": []},
    {"datatype": "UINT8", "shape": [65536, 65536, 3], "data": []},
    {"datatype": "UINT8", "shape": [2, 2, 2, 3], "data": []},
    {"datatype": "UINT8", "shape": "x", "data": []},
    {"datatype": "FP32", "shape": [1, 1, 3], "data": [1, 1, 1]},
    {"datatype": "BYTES", "shape": [2], "data": ["", ""]},
    {"datatype": "BYTES", "shape": [1], "data": [1]},
    {"datatype": "UINT8", "shape": [2, 2, 3], "parameters": {"binary_data_size": 12}},
])
def test_tensors_that_mean_nothing(world, input):
    assert "error" in problem(infer(world, {"inputs": [{"name": "image", **input}]}, 400))


@pytest.mark.parametrize("body,header", [(b"", None), (b"[]", None), (b"{}", None), (b'{"inputs":[]}', None),
                                         (b'{"inputs":[1]}', "99"), (b'{"inputs":[1]}', "x"), (b'{"inputs":[1]}', "5"),
                                         (b'{"inputs":[{}],"outputs":[{"name":"x"}]}', None), (b"[" * 100000, None)])
def test_bodies_that_mean_nothing(world, body, header):
    headers = {"Inference-Header-Content-Length": header} if header else {}
    problem(world.post("/v2/models/woven/infer", 400, data=body, headers=headers))


def test_triton_client(world):
    client_of = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is missing: scripts/test-venv.sh installs it")
    client = client_of.InferenceServerClient(f"{world.host}:{world.port}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("woven")
    assert not client.is_model_ready("none")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("woven")["platform"] == "dinopatch"
    said = world.inspect("woven", world.new_bad, record="no").json()
    tiff = world.inspect("woven", world.new_bad, record="no", map="tiff").content
    image = pixels(world.new_bad)
    names = ["score", "label", "threshold", "p_value", "cell_threshold", "result", "map"]
    for binary in (True, False):
        for array, kind in ((image, "UINT8"), (np.array([world.new_bad.read_bytes()], np.object_), "BYTES")):
            if kind == "BYTES" and not binary:
                continue  # that client sends such bytes as text, which a file is not
            tensor = client_of.InferInput("image", list(array.shape), kind)
            tensor.set_data_from_numpy(array, binary_data=binary)
            wanted = [client_of.InferRequestedOutput(n, binary_data=binary) for n in names]
            answer = client.infer("woven", [tensor], outputs=wanted, request_id="line 1")
            label = answer.as_numpy("label")[0]
            assert (label.decode() if isinstance(label, bytes) else label) == said["label"]
            for name in ("score", "threshold", "p_value", "cell_threshold"):
                assert answer.as_numpy(name)[0] == pytest.approx(said[name], rel=1e-11), name
            map = answer.as_numpy("map")
            assert map.shape == tuple(said["map"]["shape"]) and map.dtype == np.float32
            if binary:
                assert map.tobytes() in tiff
    default = client.infer("woven", [tensor])
    assert default.as_numpy("score")[0] == pytest.approx(said["score"], rel=1e-11)
    with pytest.raises(client_of.InferenceServerException if hasattr(client_of, "InferenceServerException") else Exception,
                       match="no bank"):
        client.infer("none", [tensor])
