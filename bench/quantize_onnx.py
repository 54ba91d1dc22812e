#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the constant-weight products of an exported transformer into ONNX Runtime's dynamic int8 form (one scale for each
output channel, one for the whole activation), as its own quantize_dynamic would.

needs: python3-onnx, python3-numpy.   usage: quantize_onnx.py IN.onnx OUT.onnx"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

model = onnx.load(sys.argv[1])
graph = model.graph
initial = {tensor.name: tensor for tensor in graph.initializer}
constant = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
nodes, added, quantised = [], [], {}


def value(name):
    tensor = initial.get(name) or constant.get(name)
    return None if tensor is None else numpy_helper.to_array(tensor)


for number, node in enumerate(graph.node):
    weight = value(node.input[1]) if node.op_type == "MatMul" else None
    if weight is None or weight.ndim != 2:
        nodes.append(node)
        continue
    scale = np.abs(weight).max(0) / 127
    data = np.clip(np.round(weight / scale), -127, 127).astype(np.int8)
    source, p = node.input[0], f"q{number}_"
    if source not in quantised:
        nodes.append(helper.make_node("DynamicQuantizeLinear", [source], [p + "a", p + "as", p + "az"]))
        quantised[source] = p
    d = quantised[source]
    added += [
        numpy_helper.from_array(data, p + "w"),
        numpy_helper.from_array(np.zeros((), np.int8), p + "wz"),
        numpy_helper.from_array(scale.astype(np.float32), p + "ws"),
    ]
    nodes += [
        helper.make_node("MatMulInteger", [d + "a", p + "w", d + "az", p + "wz"], [p + "i"]),
        helper.make_node("Cast", [p + "i"], [p + "f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [d + "as", p + "ws"], [p + "s"]),
        helper.make_node("Mul", [p + "f", p + "s"], [node.output[0]]),
    ]
used = {name for node in nodes for name in node.input}
kept = [tensor for tensor in graph.initializer if tensor.name in used]
del graph.node[:], graph.initializer[:]
graph.node.extend(nodes)
graph.initializer.extend(kept + added)
onnx.save(model, sys.argv[2])
