# SPDX-License-Identifier: Apache-2.0
"""Render the bundled clip: two hands of one person that come together, touch, cross and part.

`python -m training.synth.clip --output clips` writes `two_hands.mp4`, its intrinsics
(`two_hands.json`) and the truth of every frame (`two_hands_truth.npz`). Identity, seed and
background are never trained on.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from digit_core.hand_size import ADULT_HAND_SIZE_M
from training import options as flags
from training.synth import contact, lighting
from training.synth.draws import Draws
from training.synth.hand_model import Arms, HandModel, Poses, Shapes
from training.synth.looks import random_looks
from training.synth.meshes import NUM_THINGS, Things
from training.synth.pairs import TEST_IDENTITIES, Pairs, orient
from training.synth.picture import Studio, over
from training.synth.pose import GESTURES, blend, poses_from_curl
from training.synth.rotations import axis_angle
from training.synth.surroundings import bust_frames
from training.synth.views import Camera

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 25, 8
FOCAL_PX = 560.0
_ALLOWED_M = 0.004
_CENTRE = (0.0, 0.05, 0.62)
_CHUNK, _PEOPLE = 20, 40


@dataclass
class Key:
    """A key frame of one hand, as a right hand in the person's frame (x right, y up, z back).

    Attributes:
        time_s: when.
        wrist: (3,) metres.
        forearm, palm: directions of the forearm (elbow to wrist) and out of the palm.
        gesture: a name of `GESTURES`.
    """

    time_s: float
    wrist: tuple[float, float, float]
    forearm: tuple[float, float, float]
    palm: tuple[float, float, float]
    gesture: str


#: The left hand's keys are mirrored in x.
_RIGHT = (
    Key(0.0, (0.20, -0.04, 0.0), (-0.1, 1.0, -0.35), (0.0, 0.1, -1.0), "open"),
    Key(1.2, (0.17, -0.03, 0.0), (-0.2, 1.0, -0.3), (-0.5, 0.0, -1.0), "fist"),
    Key(2.2, (0.11, -0.05, 0.0), (-0.5, 0.9, -0.3), (-0.9, 0.0, -0.5), "point"),
    Key(3.2, (0.085, -0.05, 0.0), (-0.7, 0.8, -0.2), (-0.8, -0.2, -0.5), "relaxed"),
    Key(4.4, (-0.05, -0.03, -0.06), (-0.8, 0.6, -0.3), (-0.2, 0.1, -1.0), "open"),
    Key(5.4, (-0.06, 0.0, -0.06), (-0.8, 0.7, -0.3), (0.1, 0.2, -1.0), "open"),
    Key(6.6, (0.14, -0.03, 0.0), (-0.3, 1.0, -0.3), (-0.6, 0.0, -0.8), "pinch"),
    Key(8.0, (0.20, -0.04, 0.0), (-0.1, 1.0, -0.35), (0.0, 0.1, -1.0), "open"),
)
_LEFT = (
    Key(0.0, (0.20, -0.02, 0.0), (-0.1, 1.0, -0.35), (-0.3, 0.1, -1.0), "relaxed"),
    Key(1.2, (0.17, -0.05, 0.0), (-0.2, 1.0, -0.3), (0.1, 0.1, -1.0), "point"),
    Key(2.2, (0.11, -0.05, 0.0), (-0.5, 0.9, -0.3), (-0.9, 0.0, -0.5), "point"),
    Key(3.2, (0.085, -0.06, 0.0), (-0.7, 0.8, -0.2), (-0.8, -0.2, -0.5), "open"),
    Key(4.4, (-0.05, -0.06, 0.04), (-0.8, 0.6, -0.3), (-0.2, 0.1, -1.0), "relaxed"),
    Key(5.4, (-0.06, -0.09, 0.04), (-0.8, 0.7, -0.3), (-0.3, 0.0, -1.0), "fist"),
    Key(6.6, (0.14, -0.06, 0.0), (-0.3, 1.0, -0.3), (-0.6, 0.0, -0.8), "open"),
    Key(8.0, (0.20, -0.02, 0.0), (-0.1, 1.0, -0.35), (-0.3, 0.1, -1.0), "relaxed"),
)


def trajectory(model: HandModel, shapes: Shapes, seed: int) -> Arms:
    """Arms (n, 2) of every frame in the person's frame, parted where they would cut each other."""
    times = torch.arange(FPS * SECONDS) / FPS
    right = _one_hand(model, shapes, _RIGHT, times, seed)
    left = _one_hand(model, shapes, _LEFT, times, seed + 1).mirrored()
    size = shapes.size_m
    push, _ = contact.push_apart(right.joints, size, left.joints, size, _ALLOWED_M)
    window = np.hanning(17) / np.hanning(17).sum()
    smooth = np.stack(
        [np.convolve(np.pad(p, 8, "edge"), window, "valid") for p in push.T.numpy()], 1
    )
    left = left.moved(torch.from_numpy(1.25 * smooth).float())
    return Arms(*(torch.stack([getattr(right, k), getattr(left, k)], 1) for k in vars(right)))


def _one_hand(
    model: HandModel, shapes: Shapes, keys: tuple[Key, ...], times: Tensor, seed: int
) -> Arms:
    after = torch.searchsorted(torch.tensor([k.time_s for k in keys]), times, right=True)
    after = after.clamp(max=len(keys) - 1)
    when = torch.tensor([k.time_s for k in keys])
    u = (times - when[after - 1]) / (when[after] - when[after - 1])
    u = u * u * (3 - 2 * u)

    def mix(name: str) -> Tensor:
        values = torch.tensor([getattr(k, name) for k in keys])
        return (1 - u[:, None]) * values[after - 1] + u[:, None] * values[after]

    poses = _key_poses(keys, seed)
    arms = model.pose(shapes, blend(poses[after - 1], poses[after], u))
    rotation = orient(arms, mix("forearm"), mix("palm"))
    return arms.transformed(rotation, mix("wrist"))


def _key_poses(keys: tuple[Key, ...], seed: int) -> Poses:
    curl = torch.tensor([GESTURES[k.gesture] for k in keys], dtype=torch.float32)
    poses = poses_from_curl(curl, Draws(seed))
    n = len(keys)
    return Poses(
        poses.fingers,
        poses.thumb_twist,
        poses.wrist * 0.5,
        torch.zeros(n),
        torch.full((n,), 0.5),
        torch.ones(n),
    )


def render_clip(seed: int) -> tuple[list[np.ndarray], dict[str, np.ndarray], Camera]:
    """Frames RGB uint8, truth arrays, and the camera."""
    studio, n = Studio(backgrounds=1), FPS * SECONDS
    people = studio.model.random_shapes(Draws(seed), _PEOPLE, TEST_IDENTITIES)
    # Of the people kept aside one with hands of mean size, as that is what is assumed by default.
    one = (people.size_m - ADULT_HAND_SIZE_M).abs().argmin()
    shapes = people[one.repeat(n)]
    # A camera in front of the person: its x is the person's left, its z the person's back.
    rotation = axis_angle(torch.tensor([1.0, 0, 0]), torch.tensor(0.06)) @ torch.diag(
        torch.tensor([-1.0, -1.0, 1.0])
    )
    centre = torch.tensor(_CENTRE)
    arms = trajectory(studio.model, shapes, seed).transformed(rotation, centre)
    present = torch.ones(n, 2, dtype=torch.bool)
    pairs = Pairs(shapes, arms, present, torch.ones(n, dtype=torch.bool))
    principal = torch.tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    camera = Camera(torch.full((n,), FOCAL_PX), principal.expand(n, 2), torch.zeros(n, 2))
    frames = []
    for first in range(0, n, _CHUNK):
        some = slice(first, first + _CHUNK)
        frames += list(_frames(studio, pairs[some], camera, rotation, seed))
    truth = {
        "joints_cam_m": arms.joints.numpy(),
        "joints_px": camera.project(arms.joints).numpy(),
        "hand_size_m": np.array(shapes.size_m[0], np.float32),
        "fps": np.array(FPS, np.float32),
    }
    return frames, truth, camera


def _frames(
    studio: Studio, pairs: Pairs, camera: Camera, rotation: Tensor, seed: int
) -> np.ndarray:
    n, draws = len(pairs), Draws(seed, alike=True)
    looks = random_looks(draws, n)
    light, centre = _light().expand(n, -1), torch.tensor(_CENTRE).expand(n, 3)
    neck = centre + rotation @ torch.tensor([0.0, 0.12, 0.36])
    bust = bust_frames(rotation.expand(n, 3, 3), neck)
    nothing = torch.zeros(n, NUM_THINGS, 3)
    things = Things(
        nothing,
        nothing,
        torch.eye(3).expand(n, NUM_THINGS, 3, 3),
        nothing[..., :2],
        torch.zeros(n, NUM_THINGS, dtype=torch.bool),
    )
    shown = torch.ones(n, dtype=torch.bool)
    mesh = studio.meshes.make(draws, pairs, looks, bust, shown, things)
    lens = Camera(camera.focal[:n], camera.centre[:n], camera.radial[:n])
    rgba, _, _ = studio.render(mesh, lens, WIDTH, HEIGHT, light, centre, pairs)
    return over(rgba, torch.from_numpy(_room()).expand(n, -1, -1, -1)).numpy()


def _light() -> Tensor:
    light = torch.zeros(1, lighting.WIDTH)
    unit = torch.nn.functional.normalize
    light[:, lighting.KEY_DIRECTION] = unit(torch.tensor([[-0.5, -0.8, -0.6]]))
    light[:, lighting.KEY_COLOUR] = torch.tensor([0.72, 0.68, 0.62])
    light[:, lighting.FILL_DIRECTION] = unit(torch.tensor([[0.9, 0.0, -0.5]]))
    light[:, lighting.FILL_COLOUR] = torch.tensor([0.16, 0.17, 0.2])
    light[:, lighting.SKY_DIRECTION] = torch.tensor([0.0, -1.0, 0.0])
    light[:, lighting.SKY_COLOUR] = torch.tensor([0.36, 0.37, 0.39])
    light[:, lighting.GROUND_COLOUR] = 0.6 * light[:, lighting.SKY_COLOUR]
    light[:, lighting.SHADOW_STRENGTH] = 0.8
    light[:, lighting.SHADOW_SOFTNESS] = 1.5
    light[:, lighting.EXPOSURE] = 1.0
    return light


def _room() -> np.ndarray:
    """A wall, a shelf and a window, softly out of focus."""
    wall = np.linspace([186, 182, 172], [150, 146, 140], HEIGHT)[:, None].repeat(WIDTH, 1)
    picture = np.ascontiguousarray(wall.astype(np.uint8))
    cv2.rectangle(picture, (40, 30), (190, 210), (214, 226, 236), -1)
    cv2.rectangle(picture, (40, 118), (190, 124), (120, 110, 100), -1)
    cv2.rectangle(picture, (430, 150), (640, 162), (110, 82, 56), -1)
    for x, h, c in (
        (440, 60, (150, 60, 50)),
        (462, 74, (60, 90, 120)),
        (486, 52, (190, 170, 90)),
        (540, 66, (70, 110, 80)),
    ):
        cv2.rectangle(picture, (x, 150 - h), (x + 18, 150), c, -1)
    return cv2.GaussianBlur(picture, (0, 0), 3.0)


def main(arguments: list[str] | None = None) -> int:
    """Command line; 2 with one sentence where the folder cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("clips"))
    parser.add_argument("--seed", type=int, default=77_036)
    args = parser.parse_args(arguments)
    return flags.run_command(lambda: write(args.output, args.seed))


def write(output: Path, seed: int) -> None:
    """Write the clip, its intrinsics and its truth into a folder."""
    output.mkdir(parents=True, exist_ok=True)
    frames, truth, camera = render_clip(seed)
    path = output / "two_hands.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    cx, cy = (float(c) for c in camera.centre[0])
    f = float(camera.focal[0])
    intrinsics = {"fx": f, "fy": f, "cx": cx, "cy": cy, "width": WIDTH, "height": HEIGHT}
    path.with_suffix(".json").write_text(json.dumps(intrinsics) + "\n")
    np.savez_compressed(output / "two_hands_truth.npz", **truth)  # type: ignore[arg-type]
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
