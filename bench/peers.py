#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times this engine beside ONNX Runtime, OpenVINO and PyTorch on the same network, in alternating rounds of one run.

usage: bench/peers.py [--rounds N] [--threads N] [--dinopatch PROGRAM] [--work DIR] [--prepare] [--engines NAMES] CASE...
       a case is NETWORK-SIZE: vits14-448 vitb14-518 vitb14-784 dinov3_vits16-448 (-512) dinov3_vitb16-448 (-512) nano-256 nano-448 (default: all)
needs: a venv with what bench/peers-requirements.txt names (some 5 GB)

Transformers have random weights of the official shape; nano has its own.  Every engine reads the same weights and sees the same
noise.  Before anything is timed, the final features of each fp32 engine are compared with PyTorch's.  A round gives each engine one
pass to warm up and three that count.  Printed: the median over the rounds, the best pass, and how many times faster dinopatch is in
the same precision (median of the ratios of each round, and ratio of the best passes).  int8 of OpenVINO is NNCF's quantisation.
Exports and quantised networks stay in DIR; --prepare makes them and times nothing, so that a run after it is short.  --engines times
only these, separated by commas ("ONNX Runtime fp32,OpenVINO fp32,OpenVINO int8"), each fp32 one still compared with PyTorch."""
import argparse
import copy
import json
import logging
import os
import statistics
import subprocess
import sys
import time

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
import numpy as np
import torch
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = ("vits14-448 vitb14-518 vitb14-784 dinov3_vits16-448 dinov3_vits16-512 dinov3_vitb16-448 dinov3_vitb16-512 "
         "nano-256 nano-448").split()
PASSES = 3


class Residual(torch.nn.Module):
    """A ResNet of basic blocks with torchvision's tensor names; gives the outputs of stages 2 and 3."""

    def __init__(self, weights):
        super().__init__()
        self.stem = self.convolution(weights, "conv1", "bn1", 2, 3)
        self.pool = torch.nn.MaxPool2d(3, 2, 1)
        self.blocks = torch.nn.ModuleList()
        for stage in (1, 2, 3):
            for block in (0, 1):
                p = f"layer{stage}.{block}."
                stride = 2 if stage > 1 and block == 0 else 1
                down = p + "downsample.0"
                self.blocks.append(torch.nn.ModuleList([
                    self.convolution(weights, p + "conv1", p + "bn1", stride, 1),
                    self.convolution(weights, p + "conv2", p + "bn2", 1, 1),
                    self.convolution(weights, down, p + "downsample.1", stride, 0)
                    if down + ".weight" in weights else torch.nn.Identity()]))

    @staticmethod
    def convolution(weights, name, norm, stride, padding):
        """The convolution with its norm folded in, as every engine does for inference."""
        w = weights[name + ".weight"].float()
        scale = weights[norm + ".weight"].float() / torch.sqrt(weights[norm + ".running_var"].float() + 1e-5)
        layer = torch.nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], stride, padding)
        layer.weight.data = w * scale[:, None, None, None]
        layer.bias.data = weights[norm + ".bias"].float() - weights[norm + ".running_mean"].float() * scale
        return layer

    def forward(self, x):
        x = self.pool(torch.relu(self.stem(x)))
        outputs = []
        for number, (first, second, down) in enumerate(self.blocks):
            x = torch.relu(second(torch.relu(first(x))) + down(x))
            if number % 2:
                outputs.append(x)
        return outputs[1], outputs[2]


class Tokens(torch.nn.Module):
    """A transformer of the transformers package; gives all final tokens."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return (self.model(pixel_values=x).last_hidden_state,)


def build(network, size, work):
    """The PyTorch module of a network and the file of its weights."""
    if network == "nano":
        return Residual(load_file(os.path.join(HERE, "..", "models", "nano.safetensors"))).eval(), "nano"
    torch.manual_seed(0)
    if network.startswith("dinov3"):
        from transformers import DINOv3ViTConfig, DINOv3ViTModel
        dim, heads = (384, 6) if "vits" in network else (768, 12)
        model = DINOv3ViTModel(DINOv3ViTConfig(
            hidden_size=dim, num_attention_heads=heads, intermediate_size=4 * dim, num_hidden_layers=12, num_register_tokens=4,
            patch_size=16, image_size=size, attn_implementation="sdpa"))
    else:
        from transformers import Dinov2Config, Dinov2Model
        dim, heads = (384, 6) if "vits" in network else (768, 12)
        model = Dinov2Model(Dinov2Config(
            hidden_size=dim, num_attention_heads=heads, num_hidden_layers=12, patch_size=14, image_size=518, attn_implementation="sdpa"))
    model.save_pretrained(os.path.join(work, network))  # under the names of the published files, whatever the modules are called
    return Tokens(model.eval()), os.path.join(work, network, "model.safetensors")


def export(module, picture, path):
    if not os.path.exists(path):
        with torch.inference_mode():
            torch.onnx.export(module, (picture,), path, input_names=["x"], dynamo=False, opset_version=17)
    return path


def quantised(core, model, module, x, path):
    """The network in int8 by NNCF, kept at path."""
    import nncf
    import openvino

    if not os.path.exists(path):
        logging.getLogger("nncf").setLevel(logging.ERROR)
        kind = {} if isinstance(module, Residual) else {"model_type": nncf.ModelType.TRANSFORMER}
        data = nncf.Dataset([x, np.roll(x, 7, 3)])
        openvino.save_model(nncf.quantize(model, data, subset_size=2, fast_bias_correction=True, **kind), path, compress_to_fp16=False)
    return core.read_model(path)


def engines(module, picture, onnx, threads, wanted):
    """NAME -> function of one pass that returns the outputs; of those wanted (empty: all), and PyTorch's in fp32."""
    import onnxruntime
    import openvino

    x = picture.numpy()
    core = openvino.Core()
    model = core.read_model(onnx)
    model.reshape({"x": list(x.shape)})
    torch.set_num_threads(threads)

    def session():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        made = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        return lambda: made.run(None, {"x": x})

    def compiled(precision, what):
        request = core.compile_model(what, "CPU", {
            "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
        return lambda: list(request.infer({0: x}).values())

    def eager(what, data):
        def run():
            with torch.inference_mode():
                return [output.float().numpy() for output in what(data)]
        return run

    makers = {"ONNX Runtime fp32": session,
              "OpenVINO fp32": lambda: compiled("f32", model),
              "OpenVINO bf16": lambda: compiled("bf16", model),
              "OpenVINO int8": lambda: compiled("f32", quantised(core, model, module, x, onnx.replace(".onnx", ".int8.xml"))),
              "PyTorch fp32": lambda: eager(module, picture),
              "PyTorch bf16": lambda: eager(copy.deepcopy(module).bfloat16(), picture.bfloat16())}
    made = {}
    for name, make in makers.items():
        if wanted and name not in wanted and name != "PyTorch fp32":
            continue
        try:
            made[name] = make()
        except Exception as error:  # every failure of a peer is printed, and the others are timed all the same
            print(f"{name} is left out: {error}", file=sys.stderr)
    return made


def check(made):
    """Prints how far each engine's outputs lie from PyTorch's, relative to their size."""
    reference = made["PyTorch fp32"]()
    for name, run in made.items():
        far = max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in zip(run(), reference))
        print(f"  {name:18s} differs from PyTorch by {far:.1e} of the largest value")
        if name.endswith("fp32") and far > 1e-2:
            sys.exit(f"peers.py: {name} does not compute the same network")


def ours(program, weights, size, precision, threads):
    reply = subprocess.run([program, "bench", "-q", "--model", weights, "--size", f"{size}x{size}", "--precision", precision,
                            "--threads", str(threads), "--repeat", str(PASSES), "--json"], capture_output=True, text=True, check=True)
    figures = json.loads(reply.stdout)
    return figures["median_s"], figures["min_s"]


def timed(run):
    run()
    seconds = []
    for _ in range(PASSES):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), min(seconds)


def compare(case, arguments):
    network, size = case.rsplit("-", 1)
    size = int(size)
    module, weights = build(network, size, arguments.work)
    picture = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32))
    onnx = export(module, picture, os.path.join(arguments.work, case + ".onnx"))
    print(f"\n## {case}, {arguments.threads} threads, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}\n", flush=True)
    wanted = [name for name in arguments.engines.split(",") if name]
    made = engines(module, picture, onnx, arguments.threads, wanted)
    check(made)
    if arguments.prepare:
        return
    if wanted and "PyTorch fp32" not in wanted:
        del made["PyTorch fp32"]
    rounds = {name: [] for name in [*made, "dinopatch fp32", "dinopatch int8"]}
    for _ in range(arguments.rounds):
        for name, run in made.items():
            rounds[name].append(timed(run))
        for precision in ("fp32", "int8"):
            rounds["dinopatch " + precision].append(ours(arguments.dinopatch, weights, size, precision, arguments.threads))
    print("\n| engine | median s | best s | dinopatch is faster by: median, best |\n|---|---|---|---|")
    for name, values in rounds.items():
        engine, precision = name.rsplit(" ", 1)
        median, best = statistics.median(m for m, _ in values), min(b for _, b in values)
        mine = rounds["dinopatch " + ("int8" if precision == "int8" else "fp32")]
        ratio = statistics.median(m / o for (m, _), (o, _) in zip(values, mine))
        beside = "" if engine == "dinopatch" else f"{ratio:.2f}, {best / min(b for _, b in mine):.2f}"
        print(f"| {name} | {median:.4f} | {best:.4f} | {beside} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="CASE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dinopatch", default=os.environ.get("DINOPATCH", "build/dinopatch"))
    parser.add_argument("--work", default="/tmp/dinopatch-peers", help="folder for weights and exports")
    parser.add_argument("--prepare", action="store_true", help="make and check exports and quantised networks, time nothing")
    parser.add_argument("--engines", default="", help="names of the peers to time, separated by commas (default: all)")
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    import onnxruntime
    import openvino
    print(f"ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__}, PyTorch {torch.__version__}")
    for case in arguments.cases or CASES:
        compare(case, arguments)


main()
