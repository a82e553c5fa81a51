# SPDX-License-Identifier: Apache-2.0
"""Render the bundled clip: two hands of one person that come together, touch, cross and part.

`python -m training.synth.clip --output clips` writes `two_hands.mp4`, its intrinsics
(`two_hands.json`) and the truth of every frame (`two_hands_truth.npz`). Identity, seed and
background are never trained on.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.synth import contact
from training.synth.arm_mesh import ArmDresser, random_dress
from training.synth.clutter import Busts
from training.synth.hand_model import ArmShape, HandModel, HandPose, PosedArm, axis_angle
from training.synth.picture import over
from training.synth.pose import blend, pose_from_curl
from training.synth.renderer import Lighting, Renderer
from training.synth.scene import orient

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 25, 8
FOCAL_PX = 560.0
#: First identity of those kept aside (see `shards.TRAINED_IDENTITIES`).
_IDENTITIES = range(360, 400)
_ALLOWED_M = 0.004


@dataclass
class Key:
    """A key frame of one hand, as a right hand in the person's frame (x right, y up, z back).

    Attributes:
        time_s: when.
        wrist: (3,) metres.
        forearm, palm: directions of the forearm (elbow to wrist) and out of the palm.
        curl: (5,) thumb to pinky, 0 straight to 1 curled.
    """

    time_s: float
    wrist: tuple[float, float, float]
    forearm: tuple[float, float, float]
    palm: tuple[float, float, float]
    curl: tuple[float, float, float, float, float]


_OPEN, _FIST, _POINT = (0, 0, 0, 0, 0), (0.8, 1, 1, 1, 1), (0.7, 0, 1, 1, 1)
_PINCH, _RELAXED = (0.55, 0.55, 0.1, 0.05, 0.0), (0.2, 0.2, 0.28, 0.34, 0.4)
#: The left hand's keys are mirrored in x.
_RIGHT = (
    Key(0.0, (0.20, -0.04, 0.0), (-0.1, 1.0, -0.35), (0.0, 0.1, -1.0), _OPEN),
    Key(1.2, (0.17, -0.03, 0.0), (-0.2, 1.0, -0.3), (-0.5, 0.0, -1.0), _FIST),
    Key(2.2, (0.11, -0.05, 0.0), (-0.5, 0.9, -0.3), (-0.9, 0.0, -0.5), _POINT),
    Key(3.2, (0.085, -0.05, 0.0), (-0.7, 0.8, -0.2), (-0.8, -0.2, -0.5), _RELAXED),
    Key(4.4, (-0.05, -0.03, -0.06), (-0.8, 0.6, -0.3), (-0.2, 0.1, -1.0), _OPEN),
    Key(5.4, (-0.06, 0.0, -0.06), (-0.8, 0.7, -0.3), (0.1, 0.2, -1.0), _OPEN),
    Key(6.6, (0.14, -0.03, 0.0), (-0.3, 1.0, -0.3), (-0.6, 0.0, -0.8), _PINCH),
    Key(8.0, (0.20, -0.04, 0.0), (-0.1, 1.0, -0.35), (0.0, 0.1, -1.0), _OPEN),
)
_LEFT = (
    Key(0.0, (0.20, -0.02, 0.0), (-0.1, 1.0, -0.35), (-0.3, 0.1, -1.0), _RELAXED),
    Key(1.2, (0.17, -0.05, 0.0), (-0.2, 1.0, -0.3), (0.1, 0.1, -1.0), _POINT),
    Key(2.2, (0.11, -0.05, 0.0), (-0.5, 0.9, -0.3), (-0.9, 0.0, -0.5), _POINT),
    Key(3.2, (0.085, -0.06, 0.0), (-0.7, 0.8, -0.2), (-0.8, -0.2, -0.5), _OPEN),
    Key(4.4, (-0.05, -0.06, 0.04), (-0.8, 0.6, -0.3), (-0.2, 0.1, -1.0), _RELAXED),
    Key(5.4, (-0.06, -0.09, 0.04), (-0.8, 0.7, -0.3), (-0.3, 0.0, -1.0), _FIST),
    Key(6.6, (0.14, -0.06, 0.0), (-0.3, 1.0, -0.3), (-0.6, 0.0, -0.8), _OPEN),
    Key(8.0, (0.20, -0.02, 0.0), (-0.1, 1.0, -0.35), (-0.3, 0.1, -1.0), _RELAXED),
)


def trajectory(model: HandModel, shape: ArmShape, seed: int) -> list[dict[str, PosedArm]]:
    """Both hands of every frame in the person's frame, parted where they would cut each other."""
    times = np.arange(FPS * SECONDS) / FPS
    right = _one_hand(model, shape, _RIGHT, times, seed)
    left = [arm.mirrored() for arm in _one_hand(model, shape, _LEFT, times, seed + 1)]
    push = np.zeros((len(times), 3))
    for i, (a, b) in enumerate(zip(right, left, strict=True)):
        moved = contact.push_apart(a.joints, shape.size_m, b.joints, shape.size_m, _ALLOWED_M)
        push[i] = moved if moved is not None else (0.0, 0.0, 0.12)
    window = np.hanning(17) / np.hanning(17).sum()
    smooth = np.stack(
        [np.convolve(np.pad(push[:, k], 8, "edge"), window, "valid") for k in range(3)], 1
    )
    smooth += np.sign(smooth) * 0.25 * np.abs(smooth)
    return [
        {"right": a, "left": b.transformed(np.eye(3), s)}
        for a, b, s in zip(right, left, smooth, strict=True)
    ]


def _one_hand(model, shape, keys: tuple[Key, ...], times: np.ndarray, seed: int) -> list[PosedArm]:
    poses = [_pose(k.curl, seed + 10 * i) for i, k in enumerate(keys)]
    arms = []
    for t in times:
        i = min(np.searchsorted([k.time_s for k in keys], t, side="right"), len(keys) - 1)
        a, b = keys[i - 1], keys[i]
        u = (t - a.time_s) / (b.time_s - a.time_s)
        u = u * u * (3 - 2 * u)
        mix = lambda x, y: (1 - u) * np.asarray(x) + u * np.asarray(y)  # noqa: E731, B023
        arm = model.pose(shape, blend(poses[i - 1], poses[i], u))
        rotation = orient(arm, mix(a.forearm, b.forearm), mix(a.palm, b.palm))
        arms.append(arm.transformed(rotation, mix(a.wrist, b.wrist)))
    return arms


def _pose(curl, seed: int) -> HandPose:
    pose = pose_from_curl(np.array(curl, float), np.random.default_rng(seed))
    pose.wrist *= 0.5
    pose.elbow, pose.elbow_plane, pose.pronation = 0.5, 1.0, 0.0
    return pose


def render_clip(seed: int) -> tuple[list[np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Frames RGB uint8, truth arrays, and intrinsics (3, 3)."""
    model, renderer, rng = HandModel(), Renderer(), np.random.default_rng(seed)
    shape, dress, dresser = (
        model.random_shape(rng, _IDENTITIES),
        random_dress(rng),
        ArmDresser(model),
    )
    k = np.array([[FOCAL_PX, 0, (WIDTH - 1) / 2], [0, FOCAL_PX, (HEIGHT - 1) / 2], [0, 0, 1.0]])
    # A camera in front of the person: its x is the person's left, its z the person's back.
    to_camera = axis_angle(np.array([1.0, 0, 0]), 0.06) @ np.diag([-1.0, -1.0, 1.0])
    centre = np.array([0.0, 0.05, 0.62])
    bust = Busts().mesh(_bust_place(to_camera, centre), dress, np.random.default_rng(seed + 1))
    light = _light()
    background = _room()
    frames, cam, pixels = [], [], []
    for arms in trajectory(model, shape, seed):
        arms = {s: a.transformed(to_camera, centre) for s, a in arms.items()}
        meshes = [
            dresser.mesh(a, shape, dress, np.random.default_rng(seed + 2)) for a in arms.values()
        ]
        rgb, alpha, _ = renderer.render([*meshes, bust], k, WIDTH, HEIGHT, light, centre)
        frames.append(over(rgb, alpha, background))
        joints = np.stack([arms["right"].joints, arms["left"].joints])
        projected = joints @ k.T
        cam.append(joints)
        pixels.append(projected[..., :2] / projected[..., 2:])
    truth = {
        "joints_cam_m": np.stack(cam).astype(np.float32),
        "joints_px": np.stack(pixels).astype(np.float32),
        "hand_size_m": np.float32(shape.size_m),
        "fps": np.float32(FPS),
    }
    return frames, truth, k


def _bust_place(to_camera: np.ndarray, centre: np.ndarray) -> np.ndarray:
    model = np.eye(4)
    model[:3, :3] = to_camera @ np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    model[:3, 3] = centre + to_camera @ np.array([0.0, 0.12, 0.36])
    return model


def _light() -> Lighting:
    unit = lambda *v: np.array(v) / np.linalg.norm(v)  # noqa: E731
    sky = np.array([0.30, 0.31, 0.33])
    return Lighting(
        unit(-0.5, -0.8, -0.6),
        np.array([0.72, 0.68, 0.62]),
        unit(0.9, 0.0, -0.5),
        np.array([0.16, 0.17, 0.2]),
        unit(0.0, -1.0, 0.0),
        sky,
        sky * 0.6,
        0.8,
        1.5,
        1.0,
    )


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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("clips"))
    parser.add_argument("--seed", type=int, default=77_036)
    args = parser.parse_args()
    frames, truth, k = render_clip(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "two_hands.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    camera = {
        "fx": k[0, 0],
        "fy": k[1, 1],
        "cx": k[0, 2],
        "cy": k[1, 2],
        "width": WIDTH,
        "height": HEIGHT,
    }
    path.with_suffix(".json").write_text(json.dumps(camera) + "\n")
    np.savez_compressed(args.output / "two_hands_truth.npz", **truth)
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
