"""Operators of torch in terms of ONNX's, so many that a network is traced once.

torch's exporter traces a network, and then runs what it found twice more with symbolic sizes: to take apart the few
operators that it has no translation of, and to see where an operator's inputs need another type. With translations of
those operators there is nothing left to take apart, and the types are known from the trace.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from onnxscript import opset20 as op
from torch._ops import OperatorBase, OpOverload
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node

END = 2**63 - 1  # ONNX's word for: as far as there is any


def translations() -> dict[Any, Callable[..., Any]]:
    """Functions that give an operator's ONNX nodes: those that :mod:`models` shows only while it is exported, and
    those of torch that its exporter would take apart.
    """
    aten = torch.ops.aten
    own: dict[str, Callable[..., Any]] = {"sample": _sample, "modulated_deform_conv": _deform_conv}
    loaded = {getattr(torch.ops.satsr, name).default: own[name] for name in own if hasattr(torch.ops.satsr, name)}
    return loaded | {
        aten.batch_norm.default: _normalised,
        aten.conv_transpose2d.input: _transposed,
        aten.movedim.int: _moved,
        aten.rsub.Scalar: _from_scalar,
        aten.square.default: _squared,
        aten.tensor_split.indices: _split,
        aten.to.dtype: _cast,
        aten.to.dtype_layout: _copied,
    }


@contextmanager
def traced_once() -> Iterator[None]:
    """Torch's exporter takes a program as it is, where every operator of it has a translation, and runs none again.

    Nor does it keep what it found for each operator, to be found again: with symbolic sizes that takes longer than to
    find it anew. And what rewrites the graph looks through all of it only for a node with which a pattern begins.
    """
    # private, so only touched when it is needed
    from onnxscript.rewriter import _basics, _matcher
    from torch._dynamo import config
    from torch.onnx._internal.exporter import _decomp, _fx_passes
    from torch.onnx._internal.fx.passes import type_promotion

    apart, match = _fx_passes.decompose_with_registry, _matcher.SimplePatternMatcher.match

    def as_it_is(exported_program: ExportedProgram, registry: Any) -> ExportedProgram:
        known = {*_decomp.get_onnx_implemented_overloads(registry), torch.ops.higher_order.scan}
        exported_program.graph.eliminate_dead_code()
        nodes = [node for module in exported_program.graph_module.modules() for node in module.graph.nodes]
        for node in nodes:
            node.target = _giving(node)
        if all(_dropped(node) or node.target in known for node in nodes if isinstance(node.target, OperatorBase)):
            return exported_program
        return apart(exported_program, registry)

    def known(self: Any, node: Node) -> Any:
        rule = type_promotion.get_type_promotion_rule(node, self.type_promotion_table)
        if rule is not None:
            with self._set_current_node(node):
                self._maybe_promote_node(node, rule)
        return node.meta["val"] if "val" in node.meta else Interpreter.run_node(self, node)

    def sooner(self: Any, model: Any, graph: Any, node: Any, **how: Any) -> Any:
        if not self.pattern.output_nodes[0].op.matches(node.op_type):
            return _basics.MatchResult().fail("the pattern begins with another operator")
        return match(self, model, graph, node, **how)

    with (
        config.patch(fake_tensor_cache_enabled=False),
        _instead(_fx_passes, "decompose_with_registry", as_it_is),
        _instead(type_promotion._TypePromotionInterpreter, "run_node", known),
        _instead(_matcher.SimplePatternMatcher, "match", sooner),
    ):
        yield


@contextmanager
def _instead(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """``function`` in the place of an attribute of ``owner``."""
    before = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _giving(node: Node) -> Any:
    """A node's operator; for one that writes into what nobody looks at later, the one that gives the same values."""
    operator, name = node.target, str(node.target)
    if isinstance(operator, OpOverload) and operator._schema.is_mutable and name.startswith("aten.") and _its_own(node):
        packet, _, overload = name.removeprefix("aten.").partition(".")
        return getattr(getattr(torch.ops.aten, packet.removesuffix("_"), None), overload, operator)
    return operator


def _dropped(node: Node) -> bool:
    """Whether it only asserts, which torch's exporter leaves out."""
    return str(node.target).startswith("aten._assert")


def _its_own(node: Node) -> bool:
    """Whether nothing looks at a node's first argument after the node, under this or another name."""
    written = node.args[0]
    if not isinstance(written, Node) or not _gives_anew(written):
        return False
    return all(user is node or (user < node and _gives_anew(user)) for user in written.users)


def _gives_anew(node: Node) -> bool:
    """Whether a node's values are no view of others."""
    operator = node.target
    return isinstance(operator, OpOverload) and all(part.alias_info is None for part in operator._schema.returns)


def _sample(x: Any, grid: Any, padding: str) -> Any:
    return op.GridSample(x, grid, mode="linear", padding_mode=padding, align_corners=0)


def _deform_conv(  # one argument per input of the operator
    x: Any, offset: Any, mask: Any, weight: Any, bias: Any, stride: int, padding: int, dilation: int
) -> Any:
    return op.DeformConv(
        x,
        weight,
        offset,
        bias,
        mask,
        dilations=[dilation] * 2,
        kernel_shape=list(weight.shape[2:]),
        offset_group=mask.shape[1] // (weight.shape[2] * weight.shape[3]),
        pads=[padding] * 4,
        strides=[stride] * 2,
    )


def _transposed(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    output_padding: Sequence[int] = (0, 0),
    groups: int = 1,
    dilation: Sequence[int] = (1, 1),
) -> Any:
    return op.ConvTranspose(
        x,
        weight,
        bias,
        dilations=list(dilation),
        group=groups,
        output_padding=list(output_padding),
        pads=[*padding, *padding],
        strides=list(stride),
    )


def _normalised(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, momentum: float, eps: float, _: bool
) -> Any:
    return op.BatchNormalization(x, weight, bias, mean, variance, epsilon=eps)


def _split(x: Any, indices: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    edges: list[Any] = [op.Constant(value_ints=[edge]) for edge in (0, *indices, END)]
    axis: Any = op.Constant(value_ints=[dim])
    return tuple(op.Slice(x, first, last, axis) for first, last in pairwise(edges))


def _cast(x: Any, dtype: int, *_: Any) -> Any:
    return op.Cast(x, to=dtype)


def _copied(x: Any, dtype: int | None = None, *_: Any, **__: Any) -> Any:
    return x if dtype is None else op.Cast(x, to=dtype)


def _moved(x: Any, source: int, destination: int) -> Any:
    axes = list(range(len(x.shape)))
    axes.insert(destination % len(axes), axes.pop(source))
    return op.Transpose(x, perm=axes)


def _from_scalar(x: Any, other: Any, alpha: float = 1) -> Any:
    minuend = other if isinstance(other, int | float) else op.CastLike(other, x)
    return op.Sub(minuend, x if alpha == 1 else op.Mul(x, alpha))


def _squared(x: Any) -> Any:
    return op.Mul(x, x)
