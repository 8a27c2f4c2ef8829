"""ONNX's nodes for torch's calls that are layers of networks, on tensors of any form."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from excision.export.recording.recorder import Emit, Operand, Recorder, UnrecordableError


def _linear(
    recorder: Recorder, result: Tensor, operand: Operand, weight: Operand, bias: Operand | None = None
) -> str:
    if weight.name not in recorder.constants:
        raise UnrecordableError("weights that depend on the input")
    turned = recorder.constant(recorder.constants[weight.name].T, weight.dtype)
    product = recorder.node("MatMul", operand.name, turned)
    return product if bias is None else recorder.node("Add", product, bias.name)


def _matmul(recorder: Recorder, result: Tensor, left: Operand, right: Operand) -> str:
    return recorder.node("MatMul", left.name, right.name)


def _addmm(
    recorder: Recorder,
    result: Tensor,
    added: Operand,
    left: Operand,
    right: Operand,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> str:
    product, term = recorder.node("MatMul", left.name, right.name), added.name
    if alpha != 1:
        product = recorder.node("Mul", product, recorder.constant(alpha, result.dtype))
    if beta != 1:
        term = recorder.node("Mul", term, recorder.constant(beta, result.dtype))
    return recorder.node("Add", product, term)


def _instance_norm(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    running_mean: None = None,
    running_var: None = None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> str:
    if weight is None or bias is None or not use_input_stats:
        raise UnrecordableError("instance normalisation without scale and shift")
    return recorder.node("InstanceNormalization", operand.name, weight.name, bias.name, epsilon=eps)


def _batch_norm(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    running_mean: Operand | None,
    running_var: Operand | None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> str:
    known = [each for each in (weight, bias, running_mean, running_var) if each is not None]
    if training or len(known) < 4:
        raise UnrecordableError("batch normalisation by the batch")
    return recorder.node("BatchNormalization", operand.name, *(each.name for each in known), epsilon=eps)


def _layer_norm(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    normalized_shape: Sequence[int],
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
) -> str:
    if weight is None or bias is None:
        raise UnrecordableError("layer normalisation without scale and shift")
    inputs = (operand.name, weight.name, bias.name)
    return recorder.node("LayerNormalization", *inputs, axis=-len(normalized_shape), epsilon=eps)


def _normalize(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    p: float = 2.0,
    dim: int = 1,
    eps: float = 1e-12,
    out: None = None,
) -> str:
    if p != 2:
        raise UnrecordableError("a length that is not the Euclidean one")
    length = recorder.node("ReduceL2", operand.name, recorder.constant([dim]), keepdims=1)
    least = recorder.node("Clip", length, recorder.constant(eps, result.dtype))
    return recorder.node("Div", operand.name, least)


def _scaled_dot_product_attention(
    recorder: Recorder,
    result: Tensor,
    query: Operand,
    key: Operand,
    value: Operand,
    attn_mask: None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> str:
    if attn_mask is not None or dropout_p or is_causal:
        raise UnrecordableError("attention with a mask or dropout")
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    *before, last, widest = range(key.ndim)
    turned = recorder.node("Transpose", key.name, perm=[*before, widest, last])
    scaled = recorder.node("Mul", query.name, recorder.constant(factor, result.dtype))
    weights = recorder.node("Softmax", recorder.node("MatMul", scaled, turned), axis=-1)
    return recorder.node("MatMul", weights, value.name)


LAYERS: dict[str, Emit] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    "addmm": _addmm,
    "instance_norm": _instance_norm,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "normalize": _normalize,
    "scaled_dot_product_attention": _scaled_dot_product_attention,
}
"""By the name of torch's function, without underscores before and after it."""
