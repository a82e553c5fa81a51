# SPDX-License-Identifier: Apache-2.0
"""The faster form of a network: norms folded, the precision chosen where it is fast."""

import pytest
import torch
from torch import nn

from digit_core import precision
from digit_core.network import build_model
from digit_core.network.blocks import conv_relu
from digit_core.network.detector import HandDetector
from digit_core.network.lite import DigitLite
from digit_core.precision import dtype_of, fold_norms, prepare

CPU = torch.device("cpu")


@pytest.mark.parametrize("make", [lambda: build_model("digit"), DigitLite, HandDetector])
def test_no_norm_is_left(make):
    network = make()
    before = [type(module) for module in network.modules()]
    ready = prepare(network)
    assert nn.BatchNorm2d in before
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert [type(module) for module in network.modules()] == before


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
        ("fpu avx512_bf16 sse", "cuda", "digit-lite", torch.float16),
        ("fpu avx512_bf16 sse", "cuda", "digit", torch.float32),
    ],
)
def test_auto_is_16_bits_where_they_are_fast(tmp_path, monkeypatch, flags, device, name, dtype):
    if flags:
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "cpuinfo")
    precision._cpu_has_bf16.cache_clear()
    try:
        assert dtype_of("auto", torch.device(device), build_model(name)) == dtype
    finally:
        precision._cpu_has_bf16.cache_clear()


def test_a_precision_that_is_asked_for():
    assert dtype_of("bf16", CPU) == torch.bfloat16
    assert dtype_of("fp32", CPU, DigitLite()) == torch.float32


@pytest.mark.parametrize("name", ["fp8", "fp16"])
def test_a_precision_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"precision '{name}'"):
        dtype_of(name, CPU)
