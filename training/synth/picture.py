# SPDX-License-Identifier: Apache-2.0
"""A scene to a picture with its truth: camera window, light, clutter, background, composition."""

from dataclasses import dataclass

import numpy as np

from digit_core.skeleton import SIDES
from training.synth.arm_mesh import ArmDresser, random_dress
from training.synth.background import random_background
from training.synth.clutter import Busts, thing
from training.synth.hand_model import HandModel
from training.synth.renderer import Lighting, Mesh, Renderer
from training.synth.scene import Scene, SceneOptions, random_scene


@dataclass
class Picture:
    """A rendered picture and its truth.

    Attributes:
        rgb: (H, W, 3) uint8.
        labels: (H, W) uint8 part labels; renderer.OTHER_LABEL where something else was drawn.
        joints_cam_m: (2, 21, 3) float32 right then left, public order, camera frame; NaN if absent.
        joints_px: (2, 21, 2) float32; NaN if absent.
        k: (3, 3) float32 intrinsics, (0, 0) the first pixel's centre.
        size_m: wrist to middle tip along the bones.
        interacting: whether the hands touch or nearly do.
        focus: index of the hand that a close-up was aimed at: 0, 1, or 2 for both.
    """

    rgb: np.ndarray
    labels: np.ndarray
    joints_cam_m: np.ndarray
    joints_px: np.ndarray
    k: np.ndarray
    size_m: float
    interacting: bool
    focus: int


class Studio:
    """Everything that is loaded once to draw many pictures; one per process."""

    def __init__(self) -> None:
        self.model = HandModel()
        self.renderer = Renderer()
        self._dresser = ArmDresser(self.model)
        self._busts = Busts()

    def close_up(self, rng: np.random.Generator, options: SceneOptions, size: int) -> Picture:
        """A picture whose window fits the hands (or one of two that are apart), with a margin."""
        scene = random_scene(rng, self.model, options)
        joints = _joint_array(scene)
        if len(scene.arms) == 2 and not scene.interacting:
            focus = int(rng.integers(2))
            seen = joints[focus]
        else:
            focus = 2 if len(scene.arms) == 2 else SIDES.index(next(iter(scene.arms)))
            seen = joints[~np.isnan(joints[..., 0])]
        shift, aimed = _aim(rng, seen)
        k = _window(seen + shift, size, margin=1.0 / rng.uniform(0.50, 0.62), rng=rng)
        return self._draw(
            rng, scene, shift, k, size, size, focus, bust=0.18 if aimed < 1.2 else 0.3
        )

    def frame(
        self, rng: np.random.Generator, options: SceneOptions, width: int, height: int, empty: float
    ) -> Picture:
        """A picture as a camera sees a person; `empty` is the share without hands."""
        scene = random_scene(rng, self.model, options)
        if rng.random() < empty:
            scene.arms = {}
        hfov = np.deg2rad(rng.uniform(38, 85))
        f = max(width, height) / 2 / np.tan(hfov / 2)
        k = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
        corner = rng.uniform(-0.78, 0.78, 2) * (width / 2 / f, height / 2 / f)
        shift = np.append(corner * scene.focus[2], 0.0)
        return self._draw(rng, scene, shift, k, width, height, 2, bust=0.72)

    def _draw(self, rng, scene: Scene, shift, k, width, height, focus: int, bust: float) -> Picture:
        joints = _joint_array(scene) + shift
        dress = random_dress(rng)
        centre = scene.focus + shift
        meshes = [
            self._dresser.mesh(arm.transformed(np.eye(3), shift), scene.shape, dress, rng)
            for arm in scene.arms.values()
        ]
        meshes += self._clutter(rng, scene, centre, joints, dress, bust)
        rgb, alpha, labels = self.renderer.render(
            meshes, k, width, height, random_lighting(rng), centre
        )
        rgb = over(rgb, alpha, random_background(rng, height, width))
        projected = joints @ k.T
        return Picture(
            rgb,
            labels,
            joints.astype(np.float32),
            (projected[..., :2] / projected[..., 2:]).astype(np.float32),
            k.astype(np.float32),
            scene.shape.size_m,
            scene.interacting,
            focus,
        )

    def _clutter(self, rng, scene: Scene, centre, joints, dress, bust: float) -> list[Mesh]:
        meshes = []
        if rng.random() < bust:
            meshes.append(self._busts.mesh(_bust_place(rng, scene, centre), dress, rng))
        for side in scene.arms.values():
            if rng.random() < 0.10:  # held in the hand
                palm = joints[SIDES.index("left" if side.is_left else "right")][[0, 9, 12]].mean(0)
                meshes.append(
                    thing(
                        palm + rng.normal(0, 0.012, 3),
                        rng.uniform(0.006, 0.035, 3) * (1, 1, rng.uniform(1, 4)),
                        rng,
                    )
                )
        if rng.random() < 0.10:  # in front of the hands
            near = centre * rng.uniform(0.6, 0.85) + rng.normal(0, 0.05, 3) * (1, 1, 0)
            meshes.append(thing(near, rng.uniform(0.005, 0.05, 3), rng))
        for _ in range(rng.integers(0, 4) if rng.random() < 0.3 else 0):  # behind them
            far = centre * rng.uniform(1.15, 2.0) + rng.normal(0, 0.25, 3)
            if far[2] > centre[2] + 0.12:
                meshes.append(thing(far, rng.uniform(0.02, 0.2, 3), rng))
        return meshes


def random_lighting(rng: np.random.Generator) -> Lighting:
    """A key light that casts shadows, a fill light, sky and ground; sometimes nearly flat."""
    direction = rng.normal(0, 1, 3) * (1, 0.8, 0.8) + (0, -0.7, -0.7)
    tint = 1 + rng.normal(0, 0.08, 3) + rng.normal(0, 0.10) * np.array([1, 0, -1])
    flat = rng.beta(1.0, 1.6)
    key = rng.uniform(0.5, 1.1) * (1 - 0.65 * flat)
    ambient = (0.12 + 0.55 * flat) * rng.uniform(0.6, 1.2)
    sky = ambient * (1 + rng.normal(0, 0.08, 3))
    exposure = rng.uniform(0.75, 1.35) if rng.random() < 0.8 else rng.uniform(0.25, 1.9)
    return Lighting(
        key_direction=direction / np.linalg.norm(direction),
        key_colour=key * tint,
        fill_direction=_unit(rng.normal(0, 1, 3) + (0, 0, -0.6)),
        fill_colour=rng.uniform(0.0, 0.35) * (1 + rng.normal(0, 0.1, 3)),
        sky_direction=_unit(np.array([0.0, -1.0, 0.0]) + rng.normal(0, 0.4, 3)),
        sky_colour=sky,
        ground_colour=sky * rng.uniform(0.3, 0.9),
        shadow_strength=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.8 else 0.0,
        shadow_softness=float(rng.uniform(0.6, 3.0)),
        exposure=float(exposure),
    )


def over(rgb: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Premultiplied foreground over a background, uint8."""
    share = (255 - alpha[..., None]).astype(np.uint16)
    return np.minimum(rgb + (background * share + 127) // 255, 255).astype(np.uint8)


def _joint_array(scene: Scene) -> np.ndarray:
    joints = np.full((2, 21, 3), np.nan)
    for side, arm in scene.arms.items():
        joints[SIDES.index(side)] = arm.joints
    return joints


def _aim(rng, seen: np.ndarray) -> tuple[np.ndarray, float]:
    """Shift the hands off the optical axis, as if cut out of a larger frame; and their distance."""
    distance = float(seen[:, 2].mean())
    half = np.tan(np.deg2rad(rng.uniform(20, 42)))
    offset = rng.uniform(-0.8, 0.8, 2) * (half, half * 0.7) * distance
    nearest = float(seen[:, 2].min())
    return np.array([offset[0], offset[1], max(0.0, 0.12 - nearest)]), distance


def _window(points: np.ndarray, size: int, margin: float, rng) -> np.ndarray:
    """Intrinsics of a `size` window about the projection of points, `margin` times their extent."""
    normalised = points[:, :2] / points[:, 2:]
    low, high = normalised.min(0), normalised.max(0)
    f = size / (margin * (high - low).max())
    centre = (low + high) / 2
    c = (size - 1) / 2 - f * centre
    return np.array([[f, 0, c[0]], [0, f, c[1]], [0, 0, 1.0]])


def _bust_place(rng, scene: Scene, centre: np.ndarray) -> np.ndarray:
    """Put a person's neck behind and above the hands, in the person's own frame."""
    to_person = np.array([rng.normal(0, 0.16), rng.uniform(-0.1, 0.45), rng.uniform(0.18, 0.5)])
    # Bust frame (x left, y back, z up) to the person's (x right, y up, z back).
    turn = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    model = np.eye(4)
    model[:3, :3] = scene.to_camera @ turn
    model[:3, 3] = centre + scene.to_camera @ to_person
    if model[2, 3] < 0.3:  # a camera behind the person would be inside them
        model[:3, 3] += (0, 0, 3.0)
    return model


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)
