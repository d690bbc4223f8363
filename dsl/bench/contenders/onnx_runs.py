"""ONNX Runtime: graphs made with `onnx`, arguments and result bound to memory beforehand, weights as constants."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from gemel.bench.contenders.numpy_runs import below
from gemel.bench.workload import Array, Maker, Run

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
KINDS = {np.dtype("f4"): TensorProto.FLOAT, np.dtype("i1"): TensorProto.INT8, np.dtype("i4"): TensorProto.INT32}


def facts() -> dict[str, str]:
    """Versions."""
    return {"onnxruntime": ort.__version__}


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    """A node; inputs with spaces between them."""
    return helper.make_node(op, inputs.split(), [output], **attributes)


def session(nodes: Sequence[Any], args: Sequence[Array], weights: dict[str, Array], result: int) -> Any:
    """A session for a graph of inputs x0, x1, ... and a result y."""
    inputs = [helper.make_tensor_value_info(f"x{i}", KINDS[a.dtype], a.shape) for i, a in enumerate(args)]
    output = helper.make_tensor_value_info("y", result, None)
    constants = [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in weights.items()]
    graph = helper.make_graph(list(nodes), "g", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = THREADS, 1, 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(nodes: Sequence[Any], *args: Array, result: int = TensorProto.FLOAT, **weights: Any) -> Run:
    """A run whose memory is bound: no copy and no new array in a call."""
    made = session(nodes, args, weights, result)
    values = [ort.OrtValue.ortvalue_from_numpy(a) for a in args]

    def bound() -> Any:
        binding = made.io_binding()
        for i, value in enumerate(values):
            binding.bind_ortvalue_input(f"x{i}", value)
        return binding

    first = bound()
    first.bind_output("y")
    made.run_with_iobinding(first)
    output, binding = first.get_outputs()[0], bound()
    binding.bind_ortvalue_output("y", output)
    return Run(partial(made.run_with_iobinding, binding), lambda _: (values, output)[1].numpy())


def graph(*nodes: Any) -> Maker:
    """A maker for a graph of the arguments alone."""
    return lambda *args: run(nodes, *args)


def linear(x: Array, w: Array, b: Array) -> Run:
    nodes = (node("Gemm", "x0 w b", "t"), node("Gelu", "t", "y", approximate="tanh"))
    return run(nodes, x, w=w, b=b)


def rmsnorm(x: Array, g: Array) -> Run:
    nodes = (
        node("Mul", "x0 x0", "s"),
        node("ReduceMean", "s axis", "m", keepdims=1),
        node("Add", "m eps", "e"),
        node("Sqrt", "e", "r"),
        node("Div", "x0 r", "n"),
        node("Mul", "n g", "y"),
    )
    return run(nodes, x, g=g, eps=np.array([1e-5], np.float32), axis=np.array([1]))


def attention(q: Array, k: Array, v: Array, mask: Array | None = None) -> Run:
    scores = [
        node("Transpose", "x1", "kt", perm=[0, 2, 1]),
        node("MatMul", "x0 kt", "s"),
        node("Mul", "s scale", "u"),
    ]
    masked = [node("Add", "u mask", "m")] if mask is not None else []
    rest = [node("Softmax", "m" if masked else "u", "p", axis=2), node("MatMul", "p x2", "y")]
    weights: dict[str, Any] = {} if mask is None else {"mask": mask}
    return run([*scores, *masked, *rest], q, k, v, scale=np.array([q.shape[-1] ** -0.5], np.float32), **weights)


def convolution(shape: Callable[[Array], Array], groups: Callable[[Array], int], pad: int) -> Maker:
    def make(x: Array, w: Array) -> Run:
        return run([node("Conv", "x0 w", "y", pads=[pad] * 4, group=groups(w))], x[None], w=shape(w))

    return make


def integers(a: Array, b: Array) -> Run:
    return run([node("MatMulInteger", "x0 w", "y")], a, result=TensorProto.INT32, w=b)


RUNS: dict[str, Maker] = {
    "gemm": graph(node("MatMul", "x0 x1", "y")),
    "gemm_tn": graph(node("Gemm", "x0 x1", "y", transA=1)),
    "gemm_nt": graph(node("Gemm", "x0 x1", "y", transB=1)),
    "gemm_tt": graph(node("Gemm", "x0 x1", "y", transA=1, transB=1)),
    "gemm_i8": integers,
    "gemv": graph(node("MatMul", "x0 x1", "y")),
    "linear_gelu": linear,
    "softmax": graph(node("Softmax", "x0", "y", axis=1)),
    "layernorm": graph(node("LayerNormalization", "x0 x1 x2", "y", axis=1, epsilon=1e-5)),
    "rmsnorm": rmsnorm,
    "gelu": graph(node("Gelu", "x0", "y", approximate="tanh")),
    "attention": attention,
    "causal": lambda q, k, v: attention(q, k, v, below(q.shape[1])),
    "conv3x3": convolution(lambda w: w, lambda w: 1, 1),
    "depthwise": convolution(lambda w: w[:, None], len, 1),
    "conv1x1": convolution(lambda w: w[:, :, None, None], lambda w: 1, 0),
    "chain": graph(node("Mul", "x0 x1", "t"), node("Add", "t x2", "u"), node("Tanh", "u", "y")),
    "total": graph(node("ReduceSum", "x0", "y", keepdims=0)),
    "dot": graph(node("MatMul", "x0 x1", "y")),
    "add": graph(node("Add", "x0 x1", "y")),
}
