# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two networks, their export to ONNX with Weir's metadata, and a small interpreter for the exported files."""
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

CHARACTERS = "0123456789:.#"
FIND_W, FIND_H, STRIDE = 320, 192, 4
GRID_W, GRID_H = FIND_W // STRIDE, FIND_H // STRIDE
READ_W, READ_H = 16, 24
MEAN, SCALE = 128.0, 1.0 / 128.0      # x' = (x - MEAN) * SCALE, done by whoever feeds the network

COMMON = {"weir.color-format": "gray", "weir.mean": "128", "weir.scale": "0.0078125", "weir.resize": "stretch"}
FIND_METADATA = {"weir.decoder": "yolox", "weir.strides": str(STRIDE), "weir.labels": "character", **COMMON}
READ_METADATA = {"weir.decoder": "classification", "weir.labels": "\n".join(CHARACTERS), "weir.attribute": "character",
                 **COMMON}


def block(inputs, outputs, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Finder(nn.Module):
    """[n, 1, 192, 320] -> [n, 3840, 6]: centre offset x, y and log width, height in strides; objectness; class score."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(block(1, 16, 2), block(16, 16, 2), block(16, 32), block(32, 16), block(16, 32))
        self.box = nn.Conv2d(32, 4, 1)
        self.score = nn.Conv2d(32, 2, 1)
        nn.init.constant_(self.score.bias, -4.0)

    def maps(self, image):
        """Boxes [n, 4, h, w] and the two scores before their sigmoid [n, 2, h, w]."""
        seen = self.body(image)
        return self.box(seen), self.score(seen)

    def forward(self, image):
        box, score = self.maps(image)
        both = torch.cat((box, torch.sigmoid(score)), 1)
        return both.permute(0, 2, 3, 1).reshape(-1, GRID_W * GRID_H, 6)


class Reader(nn.Module):
    """[n, 1, 24, 16] -> [n, 13] probabilities."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(block(1, 16), nn.MaxPool2d(2), block(16, 32), nn.MaxPool2d(2), block(32, 32))
        self.head = nn.Linear(32 * (READ_H // 4) * (READ_W // 4), len(CHARACTERS))

    def logits(self, image):
        return self.head(torch.flatten(self.body(image), 1))

    def forward(self, image):
        return torch.softmax(self.logits(image), 1)


def export(network, path, height, width, output, shape, metadata):
    """`shape` is the output's without the batch."""
    network.eval()
    torch.onnx.export(network, torch.zeros(1, 1, height, width), path, opset_version=13, input_names=["image"],
                      output_names=[output], dynamic_axes={"image": {0: "n"}, output: {0: "n"}})
    model = onnx.load(path)
    model.producer_name = "weir pipelines/clocks/train.py"
    model.producer_version = ""
    for dimension, value in zip(model.graph.output[0].type.tensor_type.shape.dim[1:], shape):
        dimension.dim_value = value
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, path)


class OnnxFile:
    """Runs an exported file with torch's functions, so that what is verified is the file and not the training's network."""

    def __init__(self, path):
        model = onnx.load(path)
        self.nodes = list(model.graph.node)
        self.constants = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
        self.input, self.output = model.graph.input[0].name, model.graph.output[0].name
        self.metadata = {p.key: p.value for p in model.metadata_props}
        self.flop = 0     # of the last run, a multiplication and an addition counted as two

    def __call__(self, image):
        values = dict(self.constants)
        values[self.input] = torch.from_numpy(np.ascontiguousarray(image, np.float32))
        self.flop = 0
        for node in self.nodes:
            x = [values[name] for name in node.input if name]
            a = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
            values[node.output[0]] = self.run(node.op_type, x, a)
        return values[self.output].numpy()

    def run(self, kind, x, a):
        if kind == "Conv":
            pads = a["pads"]
            assert pads[:2] == pads[2:]
            y = F.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, a["strides"], pads[:2], a["dilations"], a["group"])
            self.flop += 2 * y.numel() * x[1][0].numel()
            return y
        if kind == "Gemm":
            assert a.get("transB") == 1 and a.get("alpha", 1) == 1 and a.get("beta", 1) == 1
            self.flop += 2 * x[0].shape[0] * x[1].numel()
            return F.linear(x[0], x[1], x[2])
        if kind == "MaxPool":
            return F.max_pool2d(x[0], a["kernel_shape"], a["strides"])
        if kind == "Constant":
            return torch.from_numpy(numpy_helper.to_array(a["value"]).copy())
        simple = {"Relu": lambda: torch.relu(x[0]), "Add": lambda: x[0] + x[1], "Sigmoid": lambda: torch.sigmoid(x[0]),
                  "Concat": lambda: torch.cat(x, a["axis"]), "Transpose": lambda: x[0].permute(*a["perm"]),
                  "Reshape": lambda: x[0].reshape(*x[1].tolist()), "Flatten": lambda: torch.flatten(x[0], a.get("axis", 1)),
                  "Softmax": lambda: torch.softmax(x[0], a["axis"])}
        return simple[kind]()
