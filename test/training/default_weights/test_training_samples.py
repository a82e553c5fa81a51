# SPDX-License-Identifier: Apache-2.0
"""Crops, frames, losses and the resumable run, on pictures drawn by hand (no renderer needed)."""

import cv2
import numpy as np
import pytest
import torch

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.network.detector import STRIDE, UNIT_SIDE_PX, HandDetector
from digit_core.network.output import DigitOutput
from digit_core.parts import Part
from digit_core.skeleton import NETWORK_OFFSET, NETWORK_WRIST
from digit_core.weights import load_networks
from training.default_weights.bundle import write_bundle
from training.default_weights.crops import CropOptions, draw_crop
from training.default_weights.frames import draw_frame
from training.default_weights.losses import detector_losses, pose_losses
from training.default_weights.muon import orthogonal
from training.default_weights.samples import Samples
from training.default_weights.train import Run, learning_rate, train

SIZE = 128


def drawn_hand(side: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """A picture of 21 dots on a disc of the palm's label, with its truth."""
    rng = np.random.default_rng(0)
    px = np.full((2, 21, 2), np.nan, np.float32)
    cam = np.full((2, 21, 3), np.nan, np.float32)
    px[side] = 128 + rng.uniform(-60, 60, (21, 2))
    cam[side] = np.column_stack([px[side] / 1000, 0.6 + rng.uniform(-0.08, 0.08, 21)])
    rgb = np.full((256, 256, 3), 40, np.uint8)
    labels = np.zeros((256, 256), np.uint8)
    label = int(Part.PALM) + 16 * side
    cv2.circle(rgb, (128, 128), 80, (200, 150, 120), -1)
    cv2.circle(labels, (128, 128), 80, label, -1)
    truth = {
        "joints_px": px,
        "joints_cam_m": cam,
        "k": np.eye(3, dtype=np.float32),
        "size_m": np.float32(ADULT_HAND_SIZE_M),
        "interacting": False,
        "focus": np.int8(side),
    }
    return rgb, labels, truth


@pytest.mark.parametrize("side", [0, 1])
def test_a_crop_keeps_or_mirrors_sides_consistently(side):
    both = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sample = draw_crop(*drawn_hand(side), CropOptions(SIZE, degrade=False), rng)
        shown = int(np.flatnonzero(sample["hands"])[0])
        labels = np.unique(sample["parts"][sample["parts"] > 0])
        assert set(labels) == {int(Part.PALM) + 16 * shown}
        valid = sample["valid"].reshape(2, 21)
        assert valid[shown].any() and not valid[1 - shown].any()
        wrist = NETWORK_WRIST["left" if shown else "right"]
        assert sample["joints"][wrist, 2] == 0
        both.add(shown)
    assert both == {0, 1}


def test_the_first_stage_shows_right_hands_only():
    for side in (0, 1):
        for seed in range(5):
            options = CropOptions(SIZE, only_right=True)
            sample = draw_crop(*drawn_hand(side), options, np.random.default_rng(seed))
            assert sample["hands"].tolist() == [1.0, 0.0]


def test_crop_targets_lie_where_the_picture_shows_them():
    rgb, labels, truth = drawn_hand(0)
    rgb[:] = 0
    x, y = np.round(truth["joints_px"][0, 0]).astype(int)
    truth["joints_px"][0, 0] = (x, y)
    cv2.circle(rgb, (int(x), int(y)), 4, (255, 255, 255), -1)
    options = CropOptions(SIZE, degrade=False)
    sample = draw_crop(rgb, labels, truth, options, np.random.default_rng(1))
    shown = int(np.flatnonzero(sample["hands"])[0])
    wrist = NETWORK_OFFSET["left" if shown else "right"] + 20
    bright = sample["image"][..., 0].astype(float)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    centre = np.array([(bright * xs).sum(), (bright * ys).sum()]) / bright.sum()
    assert np.abs((centre + 0.5) / SIZE - sample["joints"][wrist, :2]).max() < 0.005


def test_depth_targets_are_those_of_a_hand_of_reference_size():
    rgb, labels, truth = drawn_hand(0)
    options = CropOptions(SIZE, degrade=False)
    base = draw_crop(rgb, labels, truth, options, np.random.default_rng(2))
    truth["size_m"] = np.float32(ADULT_HAND_SIZE_M / 2)
    child = draw_crop(rgb, labels, truth, options, np.random.default_rng(2))
    valid = base["valid"] & child["valid"]
    assert valid.sum() > 10
    assert np.allclose(child["joints"][valid, 2], 2 * base["joints"][valid, 2], atol=1e-6)


def test_frame_targets_decode_to_the_hands_box():
    rgb, labels, truth = drawn_hand(1)
    found = False
    for seed in range(8):
        sample = draw_frame(rgb, labels, truth, 256, np.random.default_rng(seed))
        peaks = np.argwhere(sample["heat"] > 0.999)
        if len(peaks) == 0:
            continue
        _, ky, kx = peaks[0]
        dx, dy, size = sample["boxes"][:, ky, kx]
        centre = (np.array([kx, ky]) + 0.5 + (dx, dy)) * STRIDE
        assert sample["weight"][ky, kx] > 0.4
        assert ((centre > -40) & (centre < 296)).all()
        assert 40 < UNIT_SIDE_PX * np.exp(size) < 250
        found = True
    assert found


def perfect_output(sample: dict) -> DigitOutput:
    joints = torch.from_numpy(sample["joints"])[None]
    cells = SIZE // 4
    heat = torch.full((1, 42, cells, cells), -20.0)
    for j in range(42):
        x, y = (joints[0, j, :2] * cells).long().clamp(0, cells - 1)
        heat[0, j, y, x] = 20.0
    places = torch.cat([joints[..., :2] * cells - 0.125, 32 * (1 + joints[..., 2:])], 2)
    parts = torch.from_numpy(sample["parts"][::2, ::2].astype(np.int64))
    logits = 20.0 * torch.nn.functional.one_hot(parts, 33).permute(2, 0, 1)[None].float()
    hands = 20 * (2 * torch.from_numpy(sample["hands"])[None] - 1)
    return DigitOutput(heat, places, torch.full((1, 1), 32.0), hands, logits)


def test_the_truth_itself_has_no_loss_and_an_error_has():
    sample = draw_crop(*drawn_hand(0), CropOptions(SIZE, degrade=False), np.random.default_rng(3))
    batch = {k: torch.as_tensor(np.asarray(v))[None] for k, v in sample.items()}
    terms = pose_losses(perfect_output(sample), batch)
    for name in ("place", "depth", "hands", "root", "parts"):
        assert float(terms[name]) < 1e-4, name
    output = perfect_output(sample)
    moved = output._replace(joints_25d=output.joints_25d + 3)
    assert float(pose_losses(moved, batch)["place"]) > 0.5
    assert float(pose_losses(moved, batch)["depth"]) > 0.1


def test_detector_loss_prefers_the_truth():
    sample = draw_frame(*drawn_hand(0), 256, np.random.default_rng(0))
    batch = {k: torch.as_tensor(np.asarray(v))[None] for k, v in sample.items()}
    heat = batch["heat"]
    assert float(heat.max()) == 1.0
    hand = 16 * (heat.amax(1, keepdim=True) > 0.99) - 8.0
    side = 8.0 * (heat[:, :1] - heat[:, 1:]).sign()
    truth = detector_losses((hand, side, batch["boxes"]), batch)
    wrong = detector_losses((-hand, -side, batch["boxes"] + 1), batch)
    for name, value in truth.items():
        assert float(value) < 0.2 * float(wrong[name]), name


def test_a_hand_of_unknown_side_scores_half_for_each():
    net = HandDetector().eval()
    torch.nn.init.zeros_(net.score.weight)
    with torch.no_grad():
        net.score.bias[:4], net.score.bias[4:] = 9.0, 0.0
    scores = net(torch.zeros(1, 3, 64, 64)).score_logits.sigmoid()
    assert scores.shape == (1, 2, 8, 8)
    assert torch.allclose(scores, torch.full_like(scores, 0.5), atol=1e-3)


def test_orthogonal_pulls_singular_values_together():
    matrix = torch.randn(24, 90, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.5 < float(values.min()) and float(values.max()) < 1.4


def test_learning_rate_warms_up_and_ends_low():
    rates = [learning_rate(s, 100_000) for s in range(0, 100_001, 5_000)]
    assert rates[0] < rates[2] and max(rates) == rates[4]
    assert rates[-1] == pytest.approx(0.02 * max(rates), rel=0.05)


@pytest.fixture
def shards(tmp_path):
    """A file of sixteen drawn pictures in the form that the renderer writes."""
    items = [drawn_hand(i % 2) for i in range(16)]
    jpeg = [cv2.imencode(".jpg", rgb[..., ::-1])[1] for rgb, _, _ in items]
    png = [cv2.imencode(".png", labels)[1] for _, labels, _ in items]
    truth = {k: np.stack([t[k] for _, _, t in items]) for k in items[0][2]}
    for kind in ("close-up", "frame"):
        np.savez(
            tmp_path / f"{kind}_1_00000.npz",
            jpeg=np.concatenate(jpeg),
            jpeg_end=np.cumsum([len(x) for x in jpeg]),
            label=np.concatenate(png),
            label_end=np.cumsum([len(x) for x in png]),
            **truth,
        )
    return tmp_path


def test_samples_come_back_as_they_were_drawn(shards):
    samples = Samples(shards, "close-up")
    assert len(samples) == 16
    rgb, labels, truth = samples[3]
    assert labels.max() == int(Part.PALM) + 16 and truth["focus"] == 1
    assert np.abs(rgb[128, 128].astype(int) - (200, 150, 120)).max() < 12


def test_no_pictures_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="training.synth.shards"):
        Samples(tmp_path, "frame")


@pytest.mark.parametrize("part", ["detector", "pose"])
def test_a_stopped_run_goes_on_as_an_unbroken_one(shards, tmp_path, part):
    torch.set_num_threads(1)
    whole = Run(part, tmp_path / "whole.pt", "cpu")
    train(whole, shards, 128, seed=1, workers=0, minutes=5)
    first = Run(part, tmp_path / "part.pt", "cpu")
    train(first, shards, 128, seed=1, workers=0, minutes=5, stop=64)
    second = Run(part, tmp_path / "part.pt", "cpu")
    assert second.samples == 64
    train(second, shards, 128, seed=1, workers=0, minutes=5)
    assert second.samples == whole.samples == 128
    other = Run(part, tmp_path / "other.pt", "cpu")
    train(other, shards, 128, seed=2, workers=0, minutes=5)
    assert distance(whole, second) < 1e-6 < distance(whole, other)


def distance(a: Run, b: Run) -> float:
    weights = zip(a.net.parameters(), b.net.parameters(), strict=True)
    return sum(float((x - y).square().sum()) for x, y in weights) ** 0.5


def test_a_bundle_can_be_trained_on_and_a_pose_trunk_starts_a_detector(tmp_path):
    pose, detector = (
        Run("pose", tmp_path / "p.pt", "cpu"),
        Run("detector", tmp_path / "d.pt", "cpu"),
    )
    with torch.no_grad():
        for p in pose.average.module.trunk.parameters():
            p.fill_(0.25)
    pose.save(), detector.save()
    started = Run("detector", tmp_path / "started.pt", "cpu")
    started.start_from(tmp_path / "p.pt")
    assert float(started.net.trunk.stem[0][0].weight.detach().mean()) == 0.25
    bundle = tmp_path / "both.safetensors"
    write_bundle(tmp_path / "p.pt", tmp_path / "d.pt", bundle)
    again = Run("pose", tmp_path / "again.pt", "cpu")
    again.start_from(bundle)
    assert float(again.net.trunk.stem[0][0].weight.detach().mean()) == 0.25
    assert load_networks(bundle, "cpu").name == "digit-lite"
