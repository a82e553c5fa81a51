# SPDX-License-Identifier: Apache-2.0
"""Pictures of hands with their truth, in batches: close-ups of hands, and frames of people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digit_core.parts import swap_sides
from training.synth import contact, lighting, raster
from training.synth.backgrounds import Backgrounds
from training.synth.draws import Draws
from training.synth.hand_model import HandModel
from training.synth.looks import random_looks
from training.synth.meshes import Mesh, MeshMaker
from training.synth.pairs import Pairs
from training.synth.surroundings import random_bust_frames, random_things
from training.synth.views import Camera, off_axis, random_rotations, seen_from, wide, window

_NEAR_M = 0.03
_SHADOW_RADIUS_M = 0.32
#: A joint is seen where the surface before it is its own hand's and at most so much nearer.
_FLESH_M = 0.03


@dataclass
class Pictures:
    """n rendered pictures and their truth; right hand first, public joint order.

    Attributes:
        rgb: (n, H, W, 3) uint8.
        labels: (n, H, W) uint8 part labels; meshes.OTHER_LABEL where something else was drawn.
        depth: (n, H, W) metres along the optical axis; 0 in the background.
        joints_cam_m: (n, 2, 21, 3) camera frame; of an absent hand nothing that means anything.
        joints_px: (n, 2, 21, 2) pixels.
        present: (n, 2) bool.
        visible: (n, 2, 21) bool, the joint's own hand is what is seen there.
        camera: their intrinsics.
        size_m: (n,) wrist to middle tip along the bones.
        interacting: (n,) bool, the hands touch or nearly do.
        focus: (n,) which hand a close-up was aimed at: 0, 1, or 2 for both.
    """

    rgb: Tensor
    labels: Tensor
    depth: Tensor
    joints_cam_m: Tensor
    joints_px: Tensor
    present: Tensor
    visible: Tensor
    camera: Camera
    size_m: Tensor
    interacting: Tensor
    focus: Tensor


@dataclass(frozen=True)
class CloseUps:
    """How close-ups are taken.

    Attributes:
        distance_m: nearest and farthest distance of the hands, log-uniform.
        margin: least and most side of the picture over the longer side of the hands' box.
        moved: deviation of the box's middle from the picture's, as a share of its side.
        one_of_two: share of interacting pairs that are taken about one hand alone.
        empty: share without hands, most of faces and shoulders.
        distorted: share of cameras with radial distortion.
    """

    distance_m: tuple[float, float] = (0.22, 1.3)
    margin: tuple[float, float] = (1.05, 1.75)
    moved: float = 0.05
    one_of_two: float = 0.2
    empty: float = 0.0
    distorted: float = 0.3


@dataclass(frozen=True)
class Frames:
    """How frames of people are taken; `empty` is the share without hands."""

    distance_m: tuple[float, float] = (0.3, 2.6)
    empty: float = 0.12
    distorted: float = 0.3


#: What can be kept from varying between pictures: skin and clothes; light; people, things and
#: backgrounds about the hands.
VARIED = ("looks", "light", "scene")


class Studio:
    """Everything that is loaded once to draw many pictures on one device.

    Args:
        device: draws there.
        backgrounds: size of their pool.
        constant: of `VARIED` what is the same in all pictures, to learn what its variety is worth.
        photos: real pictures without hands for the backgrounds' pool, (H, W, 3) uint8 each.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        backgrounds: int = 300,
        constant: frozenset[str] = frozenset(),
        photos: Sequence[np.ndarray] = (),
    ) -> None:
        self.device = torch.device(device)
        self._constant = constant
        self.model = HandModel(self.device)
        self.meshes = MeshMaker(self.model, self.device)
        self._backgrounds = Backgrounds(self.device, backgrounds, photos)

    @torch.no_grad()
    def close_ups(self, draws: Draws, pairs: Pairs, size: int, options: CloseUps) -> Pictures:
        """Pictures whose windows fit the hands, or one of two that are apart."""
        n = len(pairs)
        pairs, rotation = _placed(draws, pairs, options.distance_m)
        focus = self._focus(draws, pairs, options)
        aimed = torch.stack([focus != 1, focus != 0], 1) & pairs.present
        seen = aimed[..., None].expand(n, 2, 21).flatten(1)
        joints = pairs.arms.joints.flatten(1, 2)
        shift = off_axis(draws, joints, seen)
        pairs = _shifted(pairs, shift)
        margin = torch.exp(
            draws.uniform(math.log(options.margin[0]), math.log(options.margin[1]), n)
        )
        moved = draws.normal(0.0, options.moved, n, 2)
        radial = _radial(draws, n, options.distorted)
        camera = window(joints + shift[:, None], seen, radial, size, margin, moved)
        gone = draws.chance(options.empty, n)
        bust = torch.where(gone, 0.75, 0.25)
        return self._draw(draws, _without(pairs, gone), rotation, camera, (size, size), focus, bust)

    @torch.no_grad()
    def frames(
        self, draws: Draws, pairs: Pairs, width: int, height: int, options: Frames
    ) -> Pictures:
        """Pictures as a camera sees a person."""
        n = len(pairs)
        pairs, rotation = _placed(draws, pairs, options.distance_m)
        pairs = _without(pairs, draws.chance(options.empty, n))
        camera = wide(draws, n, width, height, _radial(draws, n, options.distorted))
        reach = torch.tensor([width, height], device=self.device) / 2 / camera.focal[:, None]
        corner = draws.uniform(-0.85, 0.85, n, 2) * reach
        distance = pairs.arms.joints[..., 2].mean((1, 2))
        shift = torch.nn.functional.pad(corner * distance[:, None], (0, 1))
        focus = torch.full((n,), 2, device=self.device)
        pairs, bust = _shifted(pairs, shift), torch.full((n,), 0.72, device=self.device)
        return self._draw(draws, pairs, rotation, camera, (width, height), focus, bust)

    def _draws_of(self, kind: str, draws: Draws) -> Draws:
        return Draws(0, self.device, alike=True) if kind in self._constant else draws

    def _focus(self, draws: Draws, pairs: Pairs, options: CloseUps) -> Tensor:
        n = len(pairs)
        one = draws.integers(2, n)
        both = pairs.present.all(1)
        together = both & pairs.interacting & ~draws.chance(options.one_of_two, n)
        only = torch.where(pairs.present[:, 0], 0, 1)
        return torch.where(together, 2, torch.where(both, one, only))

    def _draw(
        self, draws: Draws, pairs: Pairs, rotation, camera: Camera, size, focus, bust: Tensor
    ) -> Pictures:
        n, (width, height) = len(pairs), size
        looks = random_looks(self._draws_of("looks", draws), n)
        centre = _middle(pairs)
        of_scene = self._draws_of("scene", draws)
        things = random_things(of_scene, pairs, centre)
        frame = random_bust_frames(of_scene, rotation, centre, ~pairs.present.any(1))
        shown = of_scene.chance(bust, n)
        mesh = self.meshes.make(draws, pairs, looks, frame, shown, things)
        light = lighting.random_lights(self._draws_of("light", draws), n)
        rgba, labels, depth = self.render(mesh, camera, width, height, light, centre, pairs)
        rgb = over(rgba, self._backgrounds.draw(of_scene, n, width, height))
        joints_px = camera.project(pairs.arms.joints)
        visible = _visible(labels, depth, pairs, joints_px)
        return Pictures(
            rgb, labels, depth, pairs.arms.joints, joints_px, pairs.present, visible, camera,
            pairs.shapes.size_m, pairs.interacting, focus,
        )  # fmt: skip

    @torch.no_grad()
    def render(
        self,
        mesh: Mesh,
        camera: Camera,
        width: int,
        height: int,
        light: Tensor,
        centre,
        pairs: Pairs,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw meshes that stand in the camera frame.

        Args:
            mesh: n pictures' meshes.
            camera: n cameras.
            width, height: pixels.
            light: (n, 24), see `lighting`.
            centre: (n, 3) middle of the shadow map, which reaches _SHADOW_RADIUS_M about it.
            pairs: the hands, whose bones take skylight away from what is near.

        Returns:
            rgba (n, H, W, 4) uint8 premultiplied, labels (n, H, W) uint8, depth (n, H, W) metres.
        """
        topology, samples = self.meshes.topology, raster.SUPERSAMPLING
        transform = _shadow_transform(light[:, lighting.KEY_DIRECTION], centre)
        in_shadow = mesh.position @ transform[..., :3].transpose(1, 2) + transform[:, None, :, 3]
        casting = torch.where(self.meshes.casts_shadow, mesh.label, raster.HIDDEN)
        size = raster.SHADOW_SIZE
        shadow = raster.cover(in_shadow, topology.faces, casting.to(torch.uint8), size, size)
        z = mesh.position[..., 2:]
        xy = samples * (camera.project(mesh.position) + 0.5) - 0.5
        screen = torch.cat([xy, torch.where(z > _NEAR_M, 1 / z.clamp(min=_NEAR_M), -1.0)], 2)
        cover = raster.cover(screen, topology.faces, mesh.label, width * samples, height * samples)
        return raster.shade(
            width, height, screen=screen, position=mesh.position, normal=mesh.normal,
            colour=mesh.colour, rest=mesh.rest, faces=topology.faces, material=mesh.material,
            label=mesh.label, materials=mesh.materials, light=light, shadow_transform=transform,
            shadow=shadow, spheres=_spheres(pairs), cover=cover,
        )  # fmt: skip


def with_mirror_images(pictures: Pictures) -> Pictures:
    """The n pictures and, after them, their n mirror images, in which right hands are left ones."""
    width = pictures.rgb.shape[2]
    swap = torch.from_numpy(swap_sides(np.arange(256))).to(pictures.rgb.device)
    px, cam = pictures.joints_px.flip(1), pictures.joints_cam_m.flip(1)
    centre = pictures.camera.centre
    mirrored = Pictures(
        rgb=pictures.rgb.flip(2),
        labels=swap[pictures.labels.flip(2).long()].to(torch.uint8),
        depth=pictures.depth.flip(2),
        joints_cam_m=cam * cam.new_tensor([-1.0, 1.0, 1.0]),
        joints_px=torch.stack([width - 1 - px[..., 0], px[..., 1]], 3),
        present=pictures.present.flip(1),
        visible=pictures.visible.flip(1),
        camera=Camera(
            pictures.camera.focal,
            torch.stack([width - 1 - centre[:, 0], centre[:, 1]], 1),
            pictures.camera.radial,
        ),
        size_m=pictures.size_m,
        interacting=pictures.interacting,
        focus=torch.where(pictures.focus < 2, 1 - pictures.focus, 2),
    )
    return joined(pictures, mirrored)


def joined(a: Pictures, b: Pictures) -> Pictures:
    """Pictures of one size, those of `a` first."""
    camera = Camera(
        *(torch.cat([getattr(a.camera, k), getattr(b.camera, k)]) for k in vars(a.camera))
    )
    names = vars(a).keys() - {"camera"}
    return Pictures(camera=camera, **{k: torch.cat([getattr(a, k), getattr(b, k)]) for k in names})


def over(rgba: Tensor, background: Tensor) -> Tensor:
    """Premultiplied foreground (n, H, W, 4) over backgrounds (n, H, W, 3), uint8."""
    share = (255 - rgba[..., 3:]).int()
    under = (background.int() * share + 127) // 255
    return (rgba[..., :3].int() + under).clamp(max=255).to(torch.uint8)


def _placed(draws: Draws, pairs: Pairs, distance_m: tuple[float, float]) -> tuple[Pairs, Tensor]:
    """Pairs straight before a camera, and the rotations (n, 3, 3) from person to camera."""
    n = len(pairs)
    distance = torch.exp(draws.uniform(math.log(distance_m[0]), math.log(distance_m[1]), n))
    rotation = random_rotations(draws, n)
    straight = torch.nn.functional.pad(distance[:, None], (2, 0))
    return seen_from(pairs, rotation, straight), rotation


def _shifted(pairs: Pairs, by: Tensor) -> Pairs:
    return Pairs(pairs.shapes, pairs.arms.moved(by[:, None]), pairs.present, pairs.interacting)


def _without(pairs: Pairs, gone: Tensor) -> Pairs:
    """The pairs, those people's hands out of sight that are `gone` (n,)."""
    present, interacting = pairs.present & ~gone[:, None], pairs.interacting & ~gone
    return Pairs(pairs.shapes, pairs.arms, present, interacting)


def _radial(draws: Draws, n: int, share: float) -> Tensor:
    """Radial coefficients (n, 2) of ordinary lenses for a share of the cameras, else none."""
    k1, k2 = draws.normal(-0.05, 0.12, n), draws.normal(0.0, 0.04, n)
    return torch.stack([k1, k2], 1) * draws.chance(share, n, 1)


def _middle(pairs: Pairs) -> Tensor:
    """Middle (n, 3) of the hands that are there; of both where none is."""
    there = torch.where(pairs.present.any(1, keepdim=True), pairs.present, True).float()
    return (pairs.arms.joints.mean(2) * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def _shadow_transform(direction: Tensor, centre: Tensor) -> Tensor:
    """Maps (n, 3, 4) of points to texels of the shadow map and q, larger nearer to the light."""
    z = -direction
    x = torch.nn.functional.normalize(
        torch.linalg.cross(z, z.new_tensor([0.123, 0.987, 0.1]).expand_as(z)), dim=1
    )
    rotation = torch.stack([x, torch.linalg.cross(z, x), z], 1) / _SHADOW_RADIUS_M
    half = raster.SHADOW_SIZE / 2
    scale = z.new_tensor([half, half, -0.5])
    offset = -(rotation @ centre[..., None])[..., 0] * scale + z.new_tensor(
        [half - 0.5, half - 0.5, 0.5]
    )
    return torch.cat([rotation * scale[:, None], offset[..., None]], 2)


def _spheres(pairs: Pairs) -> Tensor:
    """One sphere (n, 40, 4) in each bone of the hands that are there: centre and radius."""
    n = len(pairs)
    size = pairs.shapes.size_m.repeat_interleave(2)
    centres, radii = contact.spheres(pairs.arms.joints.flatten(0, 1), size)
    radii = radii.view(n, 2, 20, 3)[..., 1] * pairs.present[..., None]
    return torch.cat([centres.view(n, 2, 20, 3, 3)[..., 1, :], radii[..., None]], 3).flatten(1, 2)


def _visible(labels: Tensor, depth: Tensor, pairs: Pairs, joints_px: Tensor) -> Tensor:
    """Which joints (n, 2, 21) are seen: their own hand's surface is right before them."""
    n, height, width = labels.shape
    x, y = joints_px.round().long().unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)
    label = labels.flatten(1).gather(1, index).view_as(x)
    surface = depth.flatten(1).gather(1, index).view_as(depth.new_empty(x.shape))
    first = label.new_tensor([1, 17])[:, None]
    own = (label >= first) & (label < first + 16)
    near = (pairs.arms.joints[..., 2] - surface).abs() < _FLESH_M
    return inside & own & near & pairs.present[..., None]
