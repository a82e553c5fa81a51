# SPDX-License-Identifier: Apache-2.0
"""Every fast path answers as the plain network does."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.network_filling import image
from benchmarks.network_golden import golden_model
from digit_core import openvino_chain
from digit_core.decode import pack
from digit_core.detection import detector_maps
from digit_core.network.detector import DETECTOR_SIZE
from digit_core.network.lite import DigitLite, enlarged
from digit_core.network.output import DigitOutput
from digit_core.precision import fold_norms, prepare
from digit_core.runtime import DetectorRuntime, PoseRuntime, engine_of
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


def frames_of(patches):
    """Patches at the detector's size."""
    return np.stack([cv2.resize(patch, (DETECTOR_SIZE, DETECTOR_SIZE)) for patch in patches])


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


def test_the_caller_s_network_stays_as_it_is(patches, engine):
    """One without batch norms is not copied by `prepare`."""
    network = fold_norms(DigitLite().eval())
    assert prepare(network) is network and network.upsample_parts
    before = plain(network, patches).part_logits
    _, parts = PoseRuntime(network, CPU, "fp32", engine=engine)(patches)
    assert network.upsample_parts
    assert torch.equal(plain(network, patches).part_logits, before)
    assert parts.shape[-1] < before.shape[-1]


def test_batches_of_every_size(networks, engine):
    """OpenVINO runs pairs and a rest; no answer is written over by the next."""
    patches = np.random.default_rng(0).integers(0, 256, (5, 256, 256, 3), dtype=np.uint8)
    runtime = PoseRuntime(networks["digit-lite"], CPU, "fp32", engine=engine)
    detector = DetectorRuntime(networks["detector"], CPU, engine)
    numbers, parts = runtime(patches)
    frames = frames_of(patches)
    maps = detector(frames)
    assert (len(numbers), len(parts), len(maps)) == (5, 5, 5)
    for i in range(5):
        one, part = runtime(patches[i : i + 1])
        close(numbers[i : i + 1], one)
        close(parts[i : i + 1].numpy(), part.numpy())
        close(maps[i : i + 1], detector(frames[i : i + 1]))


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


def test_a_runtime_that_nobody_needs_is_gone_at_once(networks, engine):
    """Kept by a cycle, the compiled networks of each round of a lifecycle would pile up."""
    gc.collect()
    gc.disable()
    try:
        pose = PoseRuntime(networks["digit-lite"], CPU, engine=engine)
        detector = DetectorRuntime(networks["detector"], CPU, engine)
        left = [weakref.ref(pose), weakref.ref(detector)]
        del pose, detector
        assert [ref() for ref in left] == [None, None]
    finally:
        gc.enable()


def test_detector_equals_plain(networks, patches, engine):
    frames = frames_of(patches)
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = detector_maps(networks["detector"](images)).numpy()
    found = DetectorRuntime(networks["detector"], CPU, engine)(frames)
    close(found[:, :4], expected[:, :4])
    assert (found[:, 4] != expected[:, 4]).mean() < 1e-3  # a tie may fall to either side
