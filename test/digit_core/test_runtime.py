# SPDX-License-Identifier: Apache-2.0
"""Every fast path answers as the plain network does."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.network_filling import image
from benchmarks.network_golden import golden_model
from digit_core import runtime
from digit_core.decode import pack
from digit_core.network import build_model
from digit_core.network.blocks import conv_relu
from digit_core.network.lite import enlarged
from digit_core.network.output import DigitOutput
from digit_core.runtime import PoseRuntime, dtype_of, fold_norms, prepare
from digit_core.segmentation import LABELS
from digit_core.weights import load_networks

CPU = torch.device("cpu")
FP32_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def networks():
    bundled = load_networks(device="cpu")
    return {
        "digit": golden_model().float(),
        "digit-lite": bundled.pose,
        "detector": bundled.detector,
    }


@pytest.fixture(scope="module")
def patches():
    pictures = torch.cat([image("a"), image("b")]).permute(0, 2, 3, 1)
    return (pictures * 255).round().to(torch.uint8).numpy()


def plain(network: nn.Module, patches: np.ndarray) -> DigitOutput:
    with torch.no_grad():
        return network(torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255)


@pytest.mark.parametrize("name", ["digit", "digit-lite"])
def test_fp32_equals_the_plain_network(networks, patches, name):
    runtime = PoseRuntime(networks[name], CPU, "fp32")
    expected, got = plain(networks[name], patches), plain(runtime.network, patches)
    got = got._replace(part_logits=enlarged(got.part_logits, LABELS, LABELS))
    for quantity, answer in zip(expected, got, strict=True):
        # Of the largest value: the filled network's depths reach hundreds of cells.
        bound = FP32_TOLERANCE * max(float(quantity.abs().max()), 1.0)
        assert float((answer - quantity).abs().max()) <= bound
    numbers, parts = runtime(patches)
    np.testing.assert_allclose(numbers, pack(got).numpy(), rtol=1e-5, atol=1e-4)
    parts = enlarged(parts, LABELS, LABELS)
    torch.testing.assert_close(parts, got.part_logits, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["digit", "digit-lite", "detector"])
def test_no_norm_is_left(networks, name):
    before = [type(module) for module in networks[name].modules()]
    ready = prepare(networks[name])
    assert nn.BatchNorm2d in before
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert [type(module) for module in networks[name].modules()] == before


def test_detector_folded_equals_plain(networks, patches):
    images = torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected, got = networks["detector"](images), prepare(networks["detector"])(images)
    for a, b in zip(expected, got, strict=True):
        torch.testing.assert_close(b, a, rtol=FP32_TOLERANCE, atol=FP32_TOLERANCE)


def test_pool_before_relu_is_exact():
    layers = conv_relu((3, 4, 5), pool_after=(1, 2)).eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        y = x
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                y = nn.functional.max_pool2d(layer(y).relu(), 2)
        assert torch.equal(layers(x), y)


def test_a_norm_without_a_convolution_before_it_stays():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    folded = fold_norms(network.eval())
    assert [type(m) for m in folded][0::3] == [nn.BatchNorm2d, nn.BatchNorm2d]


def test_a_network_without_norms_is_itself():
    network = nn.Linear(2, 2)
    assert prepare(network) is network


@pytest.mark.parametrize(
    ("flags", "device", "name", "dtype"),
    [
        ("fpu avx512_bf16 sse", "cpu", "digit-lite", torch.bfloat16),
        ("fpu avx512f sse", "cpu", "digit-lite", torch.float32),
        (None, "cpu", "digit-lite", torch.float32),
        ("fpu avx512_bf16 sse", "cpu", "digit", torch.float32),
        ("fpu avx512_bf16 sse", "cuda", "digit-lite", torch.float32),
    ],
)
def test_auto_is_bf16_where_the_cpu_has_it(tmp_path, monkeypatch, flags, device, name, dtype):
    if flags:
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(runtime, "CPU_FLAGS", tmp_path / "cpuinfo")
    runtime._cpu_has_bf16.cache_clear()
    try:
        assert dtype_of("auto", torch.device(device), build_model(name)) == dtype
    finally:
        runtime._cpu_has_bf16.cache_clear()


def test_a_precision_that_is_asked_for(networks):
    assert dtype_of("bf16", CPU) == torch.bfloat16
    assert dtype_of("fp32", CPU, networks["digit-lite"]) == torch.float32


@pytest.mark.parametrize("precision", ["fp8", "fp16"])
def test_a_precision_that_is_not_there_is_named(precision):
    with pytest.raises(ValueError, match=f"precision '{precision}'"):
        dtype_of(precision, CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graph_equals_op_by_op(networks, patches):
    device = torch.device("cuda")
    network = networks["digit"].to(device)
    for precision in ("fp32", "fp16", "bf16"):
        graph = PoseRuntime(network, device, precision, graphs=True)
        expected = PoseRuntime(network, device, precision, graphs=False)(patches)[0]
        first, parts = graph(patches)
        kept = parts.clone()
        graph(patches[::-1].copy())
        assert torch.equal(parts, kept)  # a later frame doesn't write over an earlier one's parts
        np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-2)
