# SPDX-License-Identifier: Apache-2.0
"""What 16 bits cost in accuracy on the bundled weights: hardly anything, on pictures and renders.

A joint that has two likely places jumps to the other whenever they are nearly as likely, in every
precision; renders of clasped hands have many. They are judged by joints with one place.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from benchmarks.clip import CLIP, read_truth
from digit_core import openvino_chain
from digit_core.crop import crop_for
from digit_core.decode import PX_PER_CELL, pack
from digit_core.media import Media
from digit_core.precision import prepare
from digit_core.runtime import PoseRuntime
from digit_core.weights import load_networks
from training.synth.draws import Draws
from training.synth.pairs import PairOptions, random_pairs
from training.synth.picture import CloseUps, Studio

JOINTS = 21
MEDIAN_PX, P99_PX = 0.1, 0.6
#: Least share of a heatmap's mass within five cells of its mean.
ONE_PLACE = 0.5
LEAST_JOINTS = 500


class Crops(NamedTuple):
    """Crops (B, 256, 256, 3) uint8 and which of their hands (B, 2), right and left, are shown."""

    patches: np.ndarray
    shown: np.ndarray


@pytest.fixture(scope="module")
def network():
    return load_networks(device="cpu").pose


@pytest.fixture(scope="module")
def clip():
    truth, frames = read_truth(CLIP), list(Media.open(CLIP).frames())
    hands = [(k, side) for k in range(0, len(frames), 8) for side in (0, 1)]
    patches = np.stack([crop_for(truth.joints_2d[k, s]).cut(frames[k]) for k, s in hands])
    return Crops(patches, np.array([[side == 0, side == 1] for _, side in hands]))


@pytest.fixture(scope="module")
def renders():
    draws, studio = Draws(11), Studio("cpu", backgrounds=20)
    pairs = random_pairs(draws, studio.model, 40, PairOptions(0.35, 0.35, 0.3))
    pictures = studio.close_ups(draws, pairs, 256, CloseUps(margin=(1.4, 2.0), one_of_two=0.0))
    return Crops(pictures.rgb.numpy(), pictures.present.numpy())


def numbers(answer, patches):
    """(B, 2, 21, 5) x, y, depth, spread in cells, and mass near the mean."""
    found = np.concatenate([answer(some) for some in np.array_split(patches, len(patches) // 10)])
    return found[:, : 2 * JOINTS * 5].reshape(-1, 2, JOINTS, 5)


def of_network(network):
    @torch.inference_mode()
    def answer(patches):
        images = torch.from_numpy(patches).permute(0, 3, 1, 2).float() / 255
        return pack(network(images)).numpy()

    return answer


def moved_px(network, fast, crops):
    """How far each joint of the hands that are shown moves, and its heatmap's mass near the mean.

    Both (N,), px of the 256 of the crop.
    """
    plain, got = (numbers(a, crops.patches)[crops.shown] for a in (of_network(network), fast))
    error = np.linalg.norm(got[..., :2] - plain[..., :2], axis=-1) * PX_PER_CELL
    return error.ravel(), plain[..., 4].ravel()


def check(error_px, what):
    median, p99 = np.percentile(error_px, (50, 99))
    print(f"{what}: {error_px.size} joints, median {median:.3f} px, p99 {p99:.3f} px")
    assert error_px.size >= LEAST_JOINTS
    assert 0 < median <= MEDIAN_PX
    assert p99 <= P99_PX


@pytest.fixture(scope="module", params=["openvino", "torch"])
def in_bf16(request, network):
    if request.param == "openvino" and not openvino_chain.available():
        pytest.skip("openvino is not installed")
    fast = PoseRuntime(network, torch.device("cpu"), "bf16", engine=request.param)
    return lambda patches: fast(patches)[0]


def test_bf16_on_the_clip(network, in_bf16, clip):
    error, _ = moved_px(network, in_bf16, clip)
    check(error, "bf16, clip")


def test_bf16_on_renders(network, in_bf16, renders):
    error, mass = moved_px(network, in_bf16, renders)
    check(error[mass >= ONE_PLACE], "bf16, renders")


def test_fp16_on_renders(network, renders):
    """In a CPU's arithmetic: slow there, and not offered, but of the same bits as a card's."""
    error, mass = moved_px(network, of_network(prepare(network, torch.float16)), renders)
    check(error[mass >= ONE_PLACE], "fp16, renders")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_16_bits_on_cuda(network, clip, renders, precision, graphs):
    device = torch.device("cuda")
    on_card = load_networks(device="cuda").pose
    fast = PoseRuntime(on_card, device, precision, graphs=graphs)
    error, _ = moved_px(network, lambda patches: fast(patches)[0], clip)
    check(error, f"{precision}, clip")
    error, mass = moved_px(network, lambda patches: fast(patches)[0], renders)
    check(error[mass >= ONE_PLACE], f"{precision}, renders")


def test_only_the_deeper_layers_have_16_bits(network):
    kept = [p.dtype for p in prepare(network, torch.bfloat16).parameters()]
    assert kept[:4] == [torch.float32] * 4
    assert set(kept[4:]) == {torch.bfloat16}
