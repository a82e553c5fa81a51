# SPDX-License-Identifier: Apache-2.0
"""Every fast path answers as the plain network does."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.clip import CLIP, read_truth
from benchmarks.network_filling import image
from benchmarks.network_golden import golden_model
from digit_core import boxes, openvino_chain, runtime
from digit_core.crop import Crop, crop_for
from digit_core.decode import PX_PER_CELL, pack
from digit_core.detection import detector_maps
from digit_core.media import Media
from digit_core.network import build_model
from digit_core.network.blocks import conv_relu
from digit_core.network.lite import enlarged
from digit_core.network.output import DigitOutput
from digit_core.pair import sigmoid
from digit_core.runtime import (
    DetectorRuntime,
    PoseRuntime,
    _same_joints,
    dtype_of,
    engine_of,
    fold_norms,
    prepare,
)
from digit_core.segmentation import LABELS
from digit_core.weights import load_networks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
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


@pytest.fixture(params=["openvino", "torch"])
def engine(request):
    if request.param == "openvino" and not openvino_chain.available():
        pytest.skip("openvino is not installed")
    return request.param


@pytest.mark.parametrize("name", ["digit", "digit-lite"])
def test_fp32_equals_the_plain_network(networks, patches, name, engine):
    runtime = PoseRuntime(networks[name], CPU, "fp32", engine=engine)
    assert runtime.engine == engine
    expected, got = plain(networks[name], patches), plain(runtime.network, patches)
    got = got._replace(part_logits=enlarged(got.part_logits, LABELS, LABELS))
    for quantity, answer in zip(expected, got, strict=True):
        # Of the largest value: the filled network's depths reach hundreds of cells.
        bound = FP32_TOLERANCE * max(float(quantity.abs().max()), 1.0)
        assert float((answer - quantity).abs().max()) <= bound
    numbers, parts = runtime(patches)
    close(numbers, pack(got).numpy())
    close(enlarged(parts, LABELS, LABELS).numpy(), got.part_logits.numpy())


def close(found, expected):
    bound = FP32_TOLERANCE * max(float(np.abs(expected).max()), 1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


def test_batches_of_every_size(networks, engine):
    """OpenVINO runs pairs and a rest; no answer is written over by the next."""
    patches = np.random.default_rng(0).integers(0, 256, (5, 256, 256, 3), dtype=np.uint8)
    runtime = PoseRuntime(networks["digit-lite"], CPU, "fp32", engine=engine)
    detector = DetectorRuntime(networks["detector"], CPU, engine)
    numbers, parts = runtime(patches)
    maps = detector(patches)
    assert (len(numbers), len(parts), len(maps)) == (5, 5, 5)
    for i in range(5):
        one, part = runtime(patches[i : i + 1])
        close(numbers[i : i + 1], one)
        close(parts[i : i + 1].numpy(), part.numpy())
        close(maps[i : i + 1], detector(patches[i : i + 1]))


def test_threads_share_a_runtime(networks, patches, engine):
    runtime = PoseRuntime(networks["digit-lite"], CPU, "fp32", engine=engine)
    alone = [runtime(patches[i : i + 1])[0] for i in (0, 1)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: runtime(patches[k % 2 : k % 2 + 1])[0], range(24)))
    for k, numbers in enumerate(found):
        close(numbers, alone[k % 2])


def test_auto_takes_openvino_for_our_networks_on_a_cpu(networks):
    ours, others = networks["digit-lite"], nn.Linear(2, 2)
    found = engine_of("auto", CPU, ours)
    assert found == ("openvino" if openvino_chain.available() else "torch")
    assert engine_of("auto", CUDA, ours) == engine_of("auto", CPU, others) == "torch"
    assert engine_of("torch", CPU, ours) == "torch"
    for name, device, network in (("openvino", CUDA, ours), ("openvino", CPU, others)):
        with pytest.raises(ValueError, match="engine 'openvino'"):
            engine_of(name, device, network)
    with pytest.raises(ValueError, match="engine 'tensorrt'"):
        engine_of("tensorrt", CPU, ours)


def test_openvino_brings_no_telemetry():
    """Its import reports to its makers where their reporter can be imported."""
    if not openvino_chain.available():
        pytest.skip("openvino is not installed")
    code = (
        "import sys; from digit_core import DigitEstimator; DigitEstimator.load(device='cpu'); "
        "print('openvino' in sys.modules, 'openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_signal_after_the_last_network_is_gone():
    """OpenVINO freed the stack on which Python handles signals."""
    code = (
        "import gc, os, signal; from digit_core import DigitEstimator; heard = []; "
        "signal.signal(signal.SIGUSR1, lambda *_: heard.append(1)); "
        "estimator = DigitEstimator.load(device='cpu'); estimator.warm_up(); "
        "del estimator; gc.collect(); os.kill(os.getpid(), signal.SIGUSR1); print(heard)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[1]")


@pytest.mark.parametrize("name", ["digit", "digit-lite", "detector"])
def test_no_norm_is_left(networks, name):
    before = [type(module) for module in networks[name].modules()]
    ready = prepare(networks[name])
    assert nn.BatchNorm2d in before
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert [type(module) for module in networks[name].modules()] == before


def test_detector_equals_plain(networks, patches, engine):
    images = torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = detector_maps(networks["detector"](images)).numpy()
    found = DetectorRuntime(networks["detector"], CPU, engine)(patches)
    close(found[:, :4], expected[:, :4])
    assert (found[:, 4] != expected[:, 4]).mean() < 1e-3  # a tie may fall to either side


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


@pytest.fixture(scope="module")
def clip():
    """Twenty frames of the bundled clip, and each one's crops: of a hand, of the other, of both."""
    truth, frames = read_truth(CLIP), list(Media.open(CLIP).frames())
    chosen = range(0, len(frames), 10)
    joints = truth.joints_2d
    crops = [[crop_for(joints[k, 0]), crop_for(joints[k, 1])][: 1 + k % 3] for k in chosen]
    both = [Crop.around(boxes.tight(joints[k].reshape(-1, 2))) for k in chosen]
    return [frames[k] for k in chosen], [[*c, b] for c, b in zip(crops, both, strict=True)]


def joints_px(numbers):
    return numbers[:, :-3].reshape(len(numbers), -1, 5)[..., :2] * PX_PER_CELL


def test_crops_cut_where_the_network_runs(networks, clip):
    """In float32, several frames at once: within what one grey level and 1/32 of a pixel move."""
    images, crops = clip
    on_host = np.stack([c.cut(i) for i, some in zip(images, crops, strict=True) for c in some])
    pose = PoseRuntime(networks["digit-lite"], CPU, "fp32", engine="torch")
    expected, parts = pose(on_host)
    numbers, parts_there = pose.from_frames(images, crops)
    shown = sigmoid(expected[:, None, -2:]).repeat(21, axis=2).reshape(len(expected), -1) > 0.5
    moved = np.linalg.norm(joints_px(numbers) - joints_px(expected), axis=-1)[shown]
    assert moved.size > 500
    assert np.median(moved) <= 0.1
    assert np.percentile(moved, 99) <= 0.5
    assert (parts_there.argmax(1) == parts.argmax(1)).float().mean() > 0.99


def test_frames_of_several_sizes(networks):
    """Answers stand in the order of the images, whatever runs together."""
    rng = np.random.default_rng(1)
    sizes = [(120, 160), (1300, 1800), (90, 90), (120, 160), (90, 90)]
    images = [cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), s[::-1]) for s in sizes]
    crops = [
        [Crop(s[1] / 2, s[0] / 2, 0.5 * s[0]), Crop(s[1] / 3, s[0] / 2, s[0])][: 1 + i % 2]
        for i, s in enumerate(sizes)
    ]
    pose = PoseRuntime(networks["digit-lite"], CPU, "fp32", engine="torch")
    numbers, parts = pose.from_frames(images, crops)
    assert len(numbers) == len(parts) == sum(map(len, crops))
    at = 0
    for frame, some in zip(images, crops, strict=True):
        for crop in some:
            one, part = pose.from_frames([frame], [[crop]])
            close(numbers[at : at + 1], one)
            close(parts[at : at + 1].numpy(), part.numpy())
            at += 1


def test_a_graph_that_answers_otherwise_is_not_the_same():
    numbers = np.random.default_rng(0).normal(30, 10, (2, 5 * 42 + 3)).astype(np.float32)
    assert _same_joints(numbers + 1e-3, numbers)
    assert not _same_joints(numbers + 5, numbers)
    assert not _same_joints(numbers * np.nan, numbers)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graph_equals_op_by_op(networks, patches, clip):
    device = torch.device("cuda")
    network = networks["digit"].to(device)
    images, crops = clip
    for precision in ("fp32", "fp16", "bf16"):
        graph = PoseRuntime(network, device, precision, graphs=True)
        one_by_one = PoseRuntime(network, device, precision, graphs=False)
        for call, first, other in (
            ("__call__", (patches,), (patches[::-1].copy(),)),
            ("from_frames", (images[:1], crops[:1]), (images[1:2], crops[1:2])),
            ("from_frames", (images[:3], crops[:3]), (images[1:4], crops[1:4])),
        ):
            numbers, parts = getattr(graph, call)(*first)
            expected, _ = getattr(one_by_one, call)(*first)
            kept = parts.clone()
            getattr(graph, call)(*other)
            assert torch.equal(parts, kept)  # a later frame doesn't write over an earlier's parts
            np.testing.assert_allclose(numbers, expected, rtol=1e-3, atol=1e-2)
        assert graph._of_frames.replayed and graph._of_patches.replayed
