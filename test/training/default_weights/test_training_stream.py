# SPDX-License-Identifier: Apache-2.0
"""Targets, losses, the stream and the resumable run."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch

from digit_core.hand_size import ADULT_HAND_SIZE_M
from digit_core.network.detector import STRIDE, UNIT_SIDE_PX, DetectorOutput
from digit_core.network.output import DigitOutput
from digit_core.skeleton import NETWORK_WRIST, PUBLIC_FROM_NETWORK
from digit_core.weights import BUNDLED, load_networks
from training.default_weights import stream as streams
from training.default_weights.bundle import write_bundle
from training.default_weights.calibrate import fitted, write
from training.default_weights.evaluate import Measured
from training.default_weights.losses import detector_losses, pose_losses
from training.default_weights.muon import orthogonal
from training.default_weights.reliability import curve, expected_error
from training.default_weights.stream import SIZES, Stage, Stream, letterboxed
from training.default_weights.targets import detector_targets, pose_targets
from training.default_weights.train import Run, learning_rate, train
from training.synth.draws import Draws
from training.synth.pairs import PairOptions, random_pairs
from training.synth.picture import CloseUps, Frames, Studio


@pytest.fixture(scope="module")
def studio():
    return Studio(backgrounds=8)


@pytest.fixture(scope="module")
def crops(studio):
    draws = Draws(3)
    pairs = random_pairs(draws, studio.model, 32, PairOptions(0.4, 0.5, 0.0))
    return studio.close_ups(draws, pairs, 128, CloseUps(margin=(1.2, 1.4), empty=0.1))


def test_targets_lie_where_the_picture_shows_them(crops):
    targets = pose_targets(crops)
    px = targets["joints"][..., :2] * 128 - 0.5
    true = crops.joints_px[:, :, list(PUBLIC_FROM_NETWORK)].flatten(1, 2)
    valid = targets["valid"]
    assert valid.float().mean() > 0.4
    torch.testing.assert_close(px[valid], true[valid], atol=1e-3, rtol=0)
    wrists = targets["joints"][:, list(NETWORK_WRIST.values()), 2]
    assert (wrists == 0).all()


def test_parts_and_presence_tell_the_same_sides(crops):
    targets = pose_targets(crops)
    for side in (0, 1):
        there = targets["hands"][:, side] > 0.5
        count = ((targets["parts"] - 1) // 16 == side).flatten(1).sum(1)
        assert (count[there] > 0).all()
    nobody = ~crops.present.any(1)
    assert nobody.any() and (targets["hands"][nobody] == 0).all()
    assert targets["hands_known"][nobody].all()


def test_depth_targets_are_those_of_a_hand_of_reference_size(studio):
    def depth(size_m):
        draws = Draws(5)
        pairs = random_pairs(draws, studio.model, 4, PairOptions(single=1.0))
        pictures = studio.close_ups(draws, pairs, 96, CloseUps())
        pictures.size_m = torch.full((4,), size_m)
        return pose_targets(pictures)

    base, child = depth(ADULT_HAND_SIZE_M), depth(ADULT_HAND_SIZE_M / 2)
    valid = base["valid"] & child["valid"]
    assert valid.sum() > 20
    torch.testing.assert_close(child["joints"][valid][:, 2], 2 * base["joints"][valid][:, 2])


def test_detector_targets_decode_to_the_hands_boxes(studio):
    draws = Draws(7)
    pairs = random_pairs(draws, studio.model, 24, PairOptions(0.3, 0.3, 0.0))
    pictures = letterboxed(
        studio.frames(draws, pairs, 256, 192, Frames(distance_m=(0.4, 1.0))), 256
    )
    assert pictures.rgb.shape == (24, 256, 256, 3)
    targets = detector_targets(pictures)
    found = 0
    for i, _, ky, kx in (targets["heat"] > 0.999).nonzero().tolist():
        low, high = pictures.joints_px[i].amin(1), pictures.joints_px[i].amax(1)
        dx, dy, log_side = targets["boxes"][i, :, ky, kx]
        centre = (torch.stack([kx + dx, ky + dy]) + 0.5) * STRIDE - 0.5
        # The hand, right or left, whose middle the cell tells.
        side = int(((low + high) / 2 - centre).norm(dim=1).argmin())
        found += 1
        torch.testing.assert_close(centre, (low + high)[side] / 2, atol=1e-2, rtol=0)
        side_px = UNIT_SIDE_PX * log_side.exp()
        torch.testing.assert_close(side_px, (high - low)[side].max(), atol=1e-2, rtol=1e-4)
    assert found > 8


def perfect_output(targets: dict, size: int) -> DigitOutput:
    joints, cells = targets["joints"], size // 4
    n = len(joints)
    heat = torch.full((n, 42, cells * cells), -20.0)
    x, y = (joints[..., :2] * cells).long().clamp(0, cells - 1).unbind(2)
    heat.scatter_(2, (y * cells + x)[..., None], 20.0)
    places = torch.cat([joints[..., :2] * cells - 0.125, 32 * (1 + joints[..., 2:])], 2)
    logits = 20.0 * torch.nn.functional.one_hot(targets["parts"], 33).permute(0, 3, 1, 2).float()
    root = 32 * (1 + targets["root"][:, None])
    hands = 20 * (2 * targets["hands"] - 1)
    return DigitOutput(heat.view(n, 42, cells, cells), places, root, hands, logits)


def test_the_truth_itself_has_no_loss_and_an_error_has(crops):
    targets = pose_targets(crops)
    output = perfect_output(targets, 128)
    terms = pose_losses(output, targets)
    for name in ("place", "depth", "hands", "root", "parts"):
        assert float(terms[name]) < 1e-4, name
    moved = output._replace(joints_25d=output.joints_25d + 3, root_depth=output.root_depth + 3)
    for name in ("place", "depth", "root"):
        assert float(pose_losses(moved, targets)[name]) > 0.05, name


def test_detector_loss_prefers_the_truth(studio):
    draws = Draws(9)
    pairs = random_pairs(draws, studio.model, 8, PairOptions(0.5, 0.0, 0.0))
    targets = detector_targets(studio.close_ups(draws, pairs, 128, CloseUps(margin=(2.0, 3.0))))
    hand = 16 * (targets["heat"].amax(1, keepdim=True) > 0.99) - 8.0
    truth = detector_losses(DetectorOutput(hand, targets["boxes"]), targets)
    wrong = detector_losses(DetectorOutput(-hand, targets["boxes"] + 1), targets)
    for name, value in truth.items():
        assert float(value) < 0.2 * float(wrong[name]), name


def test_orthogonal_pulls_singular_values_together():
    matrix = torch.randn(24, 90, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.5 < float(values.min()) and float(values.max()) < 1.4


def test_learning_rate_warms_up_and_ends_low():
    rates = [learning_rate(s, 1_000_000, 64) for s in range(0, 1_000_001, 50_000)]
    assert rates[0] < rates[2] and max(rates) == rates[4]
    assert rates[-1] == pytest.approx(0.01 * max(rates), rel=0.05)
    assert learning_rate(400_000, 1_000_000, 1024) == pytest.approx(2 * rates[8])


def test_the_first_stage_shows_right_hands_only():
    batch = Stream("pose", "cpu", 1, pool=8).batch(0, 4)
    assert (batch["hands"][:, 1] == 0).all() and batch["image"].shape == (4, 3, 224, 224)
    later = Stream("pose", "cpu", 1, pool=8).batch(10**6, 8)
    # Half are mirror images of the others, in any order.
    assert later["hands"].sum(0).unique().numel() == 1


@pytest.mark.parametrize("part", ["detector", "pose"])
def test_a_stopped_run_goes_on_as_an_unbroken_one(tmp_path, part, monkeypatch):
    monkeypatch.setitem(SIZES, "pose", 96)
    monkeypatch.setitem(streams.STAGES, "pose", (Stage(10**15),))
    torch.set_num_threads(1)

    class UntilNext(Stream):
        """A leg's machine goes back before what follows sample 16."""

        def batch(self, first, n):
            if first >= 16:
                raise KeyboardInterrupt
            return super().batch(first, n)

    def run(name, seed=1):
        state = Run(part, tmp_path / name, "cpu")
        train(state, Stream(part, "cpu", seed, pool=16), 32, 4, 2, 5)
        return state

    whole = run("whole")
    half = Run(part, tmp_path / "part", "cpu")
    with pytest.raises(KeyboardInterrupt):
        train(half, UntilNext(part, "cpu", 1, pool=16), 32, 4, 2, 5)
    half.save()
    assert half.samples == 16
    again = run("part")
    assert again.samples == whole.samples == 32
    assert distance(whole, again) < 1e-6 < distance(whole, run("other", seed=2))
    (tmp_path / "part").rename(tmp_path / "part.old")  # killed between the renames of saving
    assert Run(part, tmp_path / "part", "cpu").samples == 32
    for name in ("net", "average", "muon"):
        assert (tmp_path / "part" / f"{name}.pt").stat().st_size < 16 << 20


def distance(a: Run, b: Run) -> float:
    weights = zip(a.net.parameters(), b.net.parameters(), strict=True)
    return sum(float((x - y).square().sum()) for x, y in weights) ** 0.5


def test_a_bundle_holds_both_averages(tmp_path):
    runs = [Run(part, tmp_path / part, "cpu") for part in ("pose", "detector")]
    with torch.no_grad():
        runs[0].average.net.trunk.stem[0][0].weight.fill_(0.25)
    for run in runs:
        run.save()
    bundle = tmp_path / "both.safetensors"
    write_bundle(tmp_path / "pose", tmp_path / "detector", bundle)
    networks = load_networks(bundle, "cpu")
    assert networks.name == "digit-lite"
    assert float(networks.pose.trunk.stem[0][0].weight.mean()) == pytest.approx(0.25)


def test_measured_figures_of_the_truth_are_perfect(studio):
    draws = Draws(11)
    pairs = random_pairs(draws, studio.model, 12, PairOptions(0.3, 0.7, 0.0))
    crops = studio.close_ups(draws, pairs, 256, CloseUps(distorted=0.0))
    targets = pose_targets(crops)
    output = perfect_output(targets, 256)
    joints = torch.cat([64 * targets["joints"][..., :2] - 0.125, output.joints_25d[..., 2:]], 2)
    parts = crops.labels[:, ::2, ::2].long()
    parts = torch.nn.functional.one_hot(torch.where(parts < 33, parts, 0), 33).permute(0, 3, 1, 2)
    answer = output._replace(joints_25d=joints, part_logits=parts.float())
    measured = Measured()
    measured.add(lambda images: answer, torch.zeros(12, 3, 256, 256), crops)
    figures = measured.figures()
    assert figures["interacting: 2D error, median [px of 256]"] < 1e-3
    assert figures["single: MPJPE, wrist depth given [mm]"] < 0.1
    assert figures["MRRPE, right wrist's depth given [mm]"] < 0.1
    assert figures["part IoU"] == pytest.approx(1.0)
    assert figures["interacting: presence right"] == 1.0


def test_calibration_error_of_honest_and_of_sure_guesses():
    truth = np.arange(1000) % 4 == 0
    assert expected_error(curve(np.full(1000, 0.25), truth)) == pytest.approx(0.0, abs=1e-6)
    assert expected_error(curve(np.ones(1000), truth)) == pytest.approx(0.75)


def test_a_fitted_calibration_holds_one_sigma_of_the_errors(tmp_path):
    rng = np.random.default_rng(1)
    spread = np.exp(rng.normal(1.0, 0.5, 20_000))
    distance = np.abs(rng.normal(0, 0.4 * spread**1.3, (2, 20_000))).T
    calibration = fitted(spread, distance)
    assert calibration.sigma_power == pytest.approx(1.3, abs=0.05)
    within = (distance < calibration.sigma(spread)[:, None]).mean()
    assert within == pytest.approx(0.6827, abs=0.02)
    weights = tmp_path / BUNDLED.name
    shutil.copy(BUNDLED, weights)
    write(weights, calibration)
    networks = load_networks(weights, "cpu")
    assert networks.calibration.sigma_power == pytest.approx(calibration.sigma_power, abs=1e-3)
    assert torch.equal(
        networks.pose.trunk.stem[0][0].weight,
        load_networks(None, "cpu").pose.trunk.stem[0][0].weight,
    )


@pytest.mark.parametrize("kind", sorted(streams.VARIED))
def test_what_is_kept_from_varying_does_not_vary(kind, monkeypatch):
    """And hands stand where they stood."""
    few = partial(Studio, "cpu", 8)
    monkeypatch.setattr(streams, "Studio", lambda _device, _count, constant, _photos: few(constant))
    right = (Stage(10**15, only_right=True),)
    varied, constant = (
        Stream("pose", "cpu", 1, 32, frozenset(kinds), 64, right).batch(0, 8)
        for kinds in ((), (kind,))
    )
    assert not torch.equal(varied["image"], constant["image"])
    if kind != "identities":
        order = [torch.argsort(b["joints"][:, 0, 0]) for b in (varied, constant)]
        torch.testing.assert_close(varied["joints"][order[0]], constant["joints"][order[1]])
