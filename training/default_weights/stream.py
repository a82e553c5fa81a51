# SPDX-License-Identifier: Apache-2.0
"""An endless stream of rendered training batches, on the device that trains.

Batch i of a seed is always the same batch on the same device, so that a run that was stopped goes
on with what it would have seen.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from digit_core.detection import GREY
from training.default_weights.targets import detector_targets, pose_targets
from training.synth import picture
from training.synth.draws import Draws
from training.synth.faults import OF_CROPS, OF_FRAMES, Resolutions, degrade
from training.synth.pairs import PairOptions, Pairs, random_pairs
from training.synth.picture import CloseUps, Frames, Pictures, Studio, joined, with_mirror_images
from training.synth.views import Camera

POSE_SIZE, DETECTOR_SIZE = 224, 256
_PAIRS = {
    "pose": PairOptions(0.33, 0.36, 0.30),
    "detector": PairOptions(0.40, 0.25, 0.20),
}
#: Pictures without hands weigh as much as they do because cups and cats were taken for hands when
#: they were half as many; people stand far away because small hands were missed.
_CROPS = CloseUps(empty=0.12)
#: Hands from those that fill a frame to small ones; and people as a camera sees them.
_WINDOWS = CloseUps((0.25, 2.5), margin=(1.1, 8.0), moved=0.13, one_of_two=0.0, empty=0.2)
_FRAMES = Frames(distance_m=(0.3, 4.0), empty=0.3)
#: Content of a letterboxed frame, width and height.
_ASPECTS = ((256, 256), (256, 192), (256, 144), (192, 256), (144, 256), (256, 192))


@dataclass(frozen=True)
class Stage:
    """One stage of a curriculum: it lasts until `until` samples were shown in all.

    Attributes:
        until: samples.
        only_right: single right hands alone.
    """

    until: int
    only_right: bool = False


#: Left and right are learnt within minutes after one hand, and not at all when both come first.
STAGES = {"pose": (Stage(200_000, only_right=True), Stage(10**15)), "detector": (Stage(10**15),)}
#: How often each pair of hands is shown on average, each time from elsewhere and in other light.
_REUSE = 16


#: What a stream can be kept from varying: besides pictures their people and camera faults.
VARIED = (*picture.VARIED, "identities", "faults")


class Stream:
    """Batches for one network.

    Args:
        part: "pose" or "detector".
        device: makes them there.
        seed: of all batches.
        pool: pairs of hands made at a time.
        constant: of `VARIED` what is the same in all pictures; of faults, that there are none.
        size: side of the pose network's crops, pixels.
        stages: of the curriculum.
    """

    def __init__(
        self,
        part: str,
        device: str | torch.device,
        seed: int,
        pool: int = 8192,
        constant: frozenset[str] = frozenset(),
        size: int = POSE_SIZE,
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        self._part, self._seed, self._pool, self._size = part, seed, pool, size
        self._stages = stages or STAGES[part]
        self._faults = "faults" not in constant
        self._options = _PAIRS[part]
        if "identities" in constant:
            self._options = replace(self._options, identities=range(1))
        backgrounds = 1500 if pool > 4000 else 300
        self.studio = Studio(device, backgrounds, constant)
        self._pairs: tuple[int, Pairs] | None = None

    def batch(self, first: int, n: int) -> dict[str, Tensor]:
        """Samples `first` to `first + n`, n even: half are rendered, half their mirror images.

        Mirror images are seen by other cameras, and tell a right hand from a left one best.

        Returns:
            image (n, 3, S, S) float in 0..1 and the targets of `targets`, in random order.
        """
        stage = next(s for s in self._stages if first < s.until)
        rendered = n if stage.only_right else n // 2
        pairs = self._pairs_for(first // (self._pool * _REUSE))
        draws = self._draws(1, first)
        chosen = pairs[draws.integers(len(pairs), rendered)]
        if stage.only_right:
            chosen = right_alone(chosen)
        if self._part == "pose":
            pictures = self.studio.close_ups(draws, chosen, self._size, _CROPS)
            # The first stage has right hands alone.
            pictures = pictures if stage.only_right else with_mirror_images(pictures)
            targets, resolutions = pose_targets(pictures), OF_CROPS
        else:
            pictures = with_mirror_images(self._detector_pictures(draws, chosen))
            targets, resolutions = detector_targets(pictures), OF_FRAMES
        batch = {"image": self._seen(draws, pictures.rgb, resolutions), **targets}
        order = draws.some(1.0, len(pictures.rgb))
        return {k: v[order] for k, v in batch.items()}

    def _seen(self, draws: Draws, rgb: Tensor, resolutions: Resolutions) -> Tensor:
        if self._faults:
            return degrade(draws, rgb, resolutions)
        return rgb.permute(0, 3, 1, 2).float() / 255

    def _detector_pictures(self, draws: Draws, pairs: Pairs) -> Pictures:
        """Half windows about hands, half whole frames."""
        half = len(pairs) // 2
        windows = self.studio.close_ups(draws, pairs[:half], DETECTOR_SIZE, _WINDOWS)
        width, height = _ASPECTS[int(draws.number(0, len(_ASPECTS)))]
        frames = letterboxed(self.studio.frames(draws, pairs[half:], width, height, _FRAMES))
        return joined(windows, frames)

    def _pairs_for(self, chunk: int) -> Pairs:
        if self._pairs is None or self._pairs[0] != chunk:
            draws = self._draws(0, chunk)
            made = random_pairs(draws, self.studio.model, self._pool, self._options)
            self._pairs = (chunk, made)
        return self._pairs[1]

    def _draws(self, kind: int, number: int) -> Draws:
        key = [self._seed, list(STAGES).index(self._part), kind, number]
        seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
        return Draws(seed, self.studio.device)


def letterboxed(pictures: Pictures) -> Pictures:
    """Frames with grey bars to DETECTOR_SIZE, as detection fits them in."""
    height, width = pictures.rgb.shape[1:3]
    left, top = (DETECTOR_SIZE - width) // 2, (DETECTOR_SIZE - height) // 2
    bars = (left, DETECTOR_SIZE - width - left, top, DETECTOR_SIZE - height - top)
    pictures.rgb = F.pad(pictures.rgb, (0, 0, *bars), value=GREY)
    pictures.labels, pictures.depth = F.pad(pictures.labels, bars), F.pad(pictures.depth, bars)
    corner = pictures.joints_px.new_tensor([left, top])
    pictures.joints_px = pictures.joints_px + corner
    lens = pictures.camera
    pictures.camera = Camera(lens.focal, lens.centre + corner, lens.radial)
    return pictures


def right_alone(pairs: Pairs) -> Pairs:
    """The pairs' right hands, each alone."""
    present = torch.zeros_like(pairs.present)
    present[:, 0] = True
    return Pairs(pairs.shapes, pairs.arms, present, torch.zeros_like(pairs.interacting))
