"""Tiny models as real ONNX files, made node by node, so that what they compute is known."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def enlarge(source, target, scale, axes=4):
    """A node that repeats pixels along the last two axes."""
    return helper.make_node(
        "Resize",
        [source, "", f"scales_{target}"],
        [target],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ), constant(f"scales_{target}", [1] * (axes - 2) + [scale] * 2)


def save(path, nodes, initializers, inputs, description):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("sr", FLOAT, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if description is not None:
        helper.set_model_props(model, {"satsr": json.dumps(description)})
    onnx.save(model, path)
    return path


def describe(kind, normalisation, scale, **more):
    facts = {"paper": "tiny", "kind": kind, "normalisation": normalisation, "scale": scale, "citation": ""}
    return {**facts, "constraint": {"method": "none"}, **more}  # the numbers are the graph's own unless a test says so


def image_graph(path, channels=3, scale=2, normalisation="normalise_10k", **more):
    """Two 5x5 convolutions (reach 4 px) that mix the bands, then pixel shuffle: near the nearest neighbour."""
    rng = np.random.default_rng(0)
    first = 0.02 * rng.standard_normal((channels, channels, 5, 5))
    second = 0.02 * rng.standard_normal((channels * scale**2, channels, 5, 5))
    first[range(channels), range(channels), 2, 2] += 1
    for band in range(channels):
        second[band * scale**2 : (band + 1) * scale**2, band, 2, 2] += 1
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[2] * 4),
        helper.make_node("Conv", ["a", "w2"], ["b"], pads=[2] * 4),
        helper.make_node("DepthToSpace", ["b"], ["sr"], blocksize=scale, mode="CRD"),
    ]
    description = describe("image", normalisation, scale, **more)
    return save(
        path, nodes, [constant("w1", first), constant("w2", second)], {"x": ["b", channels, "h", "w"]}, description
    )


def cubic_graph(path, channels=3, scale=4, normalisation="normalise_10k", sharpen=0.0, **more):
    """The cubic, a = -0.5, with replicated edges: one 5x5 kernel for each of the ``scale`` squared phases.

    With ``sharpen`` the image is sharpened before, which is better than the cubic unless there is noise.
    """
    offsets = np.arange(-2, 3)[None] - ((np.arange(scale) + 0.5) / scale - 0.5)[:, None]
    distance = np.abs(offsets)
    near, far = (1.5 * distance - 2.5) * distance**2 + 1, ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    taps = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    phases = np.einsum("iy,jx->ijyx", taps, taps).reshape(scale**2, 1, 5, 5)
    nodes = [
        helper.make_node("Pad", ["x", "margin"], ["wide"], mode="edge"),
        helper.make_node("Conv", ["wide", "sharp"], ["crisp"], group=channels),
        helper.make_node("Pad", ["crisp", "pads"], ["padded"], mode="edge"),
        helper.make_node("Conv", ["padded", "w"], ["phases"], group=channels),
        helper.make_node("DepthToSpace", ["phases"], ["sr"], blocksize=scale, mode="CRD"),
    ]
    sharp = np.array([[0, -sharpen, 0], [-sharpen, 1 + 4 * sharpen, -sharpen], [0, -sharpen, 0]])
    weights = [
        constant("w", np.tile(phases, (channels, 1, 1, 1))),
        constant("pads", [0, 0, 2, 2] * 2, np.int64),
        constant("sharp", np.tile(sharp, (channels, 1, 1, 1))),
        constant("margin", [0, 0, 1, 1] * 2, np.int64),
    ]
    description = describe("image", normalisation, scale, **more)
    return save(path, nodes, weights, {"x": ["b", channels, "h", "w"]}, description)


def recurrent_graph(path, scale=2, memory=0.5, **more):
    """A clip whose frames take up decaying memories of all frames before and after them."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["before", "keep"], ["kept"]),
            helper.make_node("Mul", ["frame", "take"], ["taken"]),
            helper.make_node("Add", ["kept", "taken"], ["after"]),
            helper.make_node("Identity", ["after"], ["out"]),
        ],
        "step",
        [helper.make_tensor_value_info(name, FLOAT, [None] * 4) for name in ("before", "frame")],
        [helper.make_tensor_value_info(name, FLOAT, [None] * 4) for name in ("after", "out")],
        [constant("keep", memory), constant("take", 1 - memory)],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["start"]),
    ]
    for way, name in ((0, "past"), (1, "future")):
        nodes.append(
            helper.make_node(
                "Scan", ["start", "x"], [f"last_{name}", name], body=body, num_scan_inputs=1, scan_input_axes=[1],
                scan_output_axes=[1], scan_input_directions=[way], scan_output_directions=[way],
            )
        )  # fmt: skip
    resize, scales = enlarge("mixed", "sr", scale, axes=5)
    nodes += [
        helper.make_node("Add", ["past", "future"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["mixed"]),
        resize,
    ]
    initializers = [constant("zero", 0), constant("half", 0.5), constant("axis", [1], np.int64), scales]
    inputs = {"x": ["b", "t", 3, "h", "w"]}
    return save(path, nodes, initializers, inputs, describe("video", "unit_u8", scale, **more))


def window_graph(path, scale=2):
    """The mean of five frames."""
    resize, scales = enlarge("mean", "sr", scale)
    nodes = [helper.make_node("ReduceMean", ["x", "axis"], ["mean"], keepdims=0), resize]
    initializers = [constant("axis", [1], np.int64), scales]
    return save(path, nodes, initializers, {"x": ["b", 5, 3, "h", "w"]}, describe("window", "unit_u8", scale))


def series_graph(path, scale=2, views=4, normalisation="normalise_10k", **more):
    """Dates weighted by the softmax of minus their distance in days."""
    resize, scales = enlarge("fused", "sr", scale)
    nodes = [
        helper.make_node("Abs", ["days"], ["distance"]),
        helper.make_node("Neg", ["distance"], ["closeness"]),
        helper.make_node("Softmax", ["closeness"], ["weights"], axis=1),
        helper.make_node("Unsqueeze", ["weights", "axes"], ["spread"]),
        helper.make_node("Mul", ["x", "spread"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], ["fused"], keepdims=0),
        resize,
    ]
    initializers = [constant("axes", [2, 3, 4], np.int64), constant("axis", [1], np.int64), scales]
    inputs = {"x": ["b", views, 3, "h", "w"], "days": ["b", views]}
    return save(path, nodes, initializers, inputs, describe("series", normalisation, scale, **more))


def imageset_graph(path, scale=3, **more):
    """The mean of the clear views at every pixel."""
    resize, scales = enlarge("mean", "sr", scale)
    nodes = [
        helper.make_node("Mul", ["x", "quality"], ["clear"]),
        helper.make_node("ReduceSum", ["clear", "axis"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["quality", "axis"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "one"], ["some"]),
        helper.make_node("Div", ["sum", "some"], ["mean"]),
        resize,
    ]
    initializers = [constant("axis", [1], np.int64), constant("one", 1), scales]
    inputs = {"x": ["b", 9, "h", "w"], "quality": ["b", 9, "h", "w"]}
    return save(path, nodes, initializers, inputs, describe("imageset", "probav", scale, **more))


def residual_graph(path, scale=2):
    """What is given as the enlarged image, as a diffusion network's residual of nought would leave it."""
    resize, scales = enlarge("x", "big", scale)
    nodes = [
        resize,
        helper.make_node("Mul", ["big", "zero"], ["nothing"]),
        helper.make_node("Add", ["up", "nothing"], ["sr"]),
    ]
    inputs = {"x": ["b", 3, "h", "w"], "up": ["b", 3, "H", "W"]}
    return save(path, nodes, [constant("zero", 0), scales], inputs, describe("series", "breizh_s2", scale))


def diffusion_graph(path, scale=2, parts=1):
    """The enlarged image plus a hundredth of the noise's last part: what a diffusion network gives, sampled at once."""
    resize, scales = enlarge("x", "big", scale)
    nodes = [
        resize,
        helper.make_node("Mul", ["big", "zero"], ["nothing"]),
        helper.make_node("Split", ["noise"], [f"part{part}" for part in range(parts)], axis=1, num_outputs=parts),
        helper.make_node("Mul", [f"part{parts - 1}", "share"], ["little"]),
        helper.make_node("Add", ["up", "nothing"], ["plain"]),
        helper.make_node("Add", ["plain", "little"], ["sr"]),
    ]
    large = ["b", 3, "H", "W"]
    initializers = [constant("zero", 0), constant("share", 0.01), scales]
    inputs = {"x": ["b", 3, "h", "w"], "up": large, "noise": ["b", 3 * parts, "H", "W"]}
    return save(path, nodes, initializers, inputs, describe("image", "breizh_s2", scale))
