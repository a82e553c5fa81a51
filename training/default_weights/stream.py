# SPDX-License-Identifier: Apache-2.0
"""An endless stream of training batches of renders and real photos, on the device that trains.

Batch i of a seed is always the same batch on the same device, so that a run that was stopped goes
on with what it would have seen. Rendering is as dear as a training step on a CPU: a chunk of
renders may be shown several times, in other orders, each time with other camera faults.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from digit_core.detection import GREY
from digit_core.network.detector import DETECTOR_SIZE
from training.default_weights.frame_edges import cut_by_frame
from training.default_weights.photo_batches import PhotoBatches
from training.default_weights.targets import detector_targets, pose_targets
from training.synth import picture
from training.synth.draws import Draws
from training.synth.faults import OF_CROPS, OF_FRAMES, Resolutions, degrade
from training.synth.pairs import PairOptions, Pairs, random_pairs
from training.synth.picture import CloseUps, Frames, Pictures, Studio, joined, with_mirror_images
from training.synth.views import Camera

#: Side of each network's training pictures, pixels; a course may begin with smaller ones.
SIZES = {"pose": 224, "detector": DETECTOR_SIZE}
COARSE_SIZES = {"pose": 160, "detector": 256}
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
#: Content of a letterboxed frame, width and height in 16ths of the square's side.
_ASPECTS = ((16, 16), (16, 12), (16, 9), (12, 16), (9, 16), (16, 12))


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
#: Pictures drawn at once, mirror images not counted: few keep a CPU's caches warm.
_AT_A_TIME = {"cpu": 32, "cuda": 4096}
#: uint8 pictures (n, S, S, 3) and their targets.
Rendered = tuple[Tensor, dict[str, Tensor]]
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
        size: side of the pictures, pixels; may be changed between batches.
        stages: of the curriculum.
        photos: give half of each batch, but while only right hands are shown.
        chunk: renders made at a time; 0 for as many as a batch needs.
        uses: how often each chunk is shown.
    """

    def __init__(
        self,
        part: str,
        device: str | torch.device,
        seed: int,
        pool: int = 8192,
        constant: frozenset[str] = frozenset(),
        size: int | None = None,
        stages: tuple[Stage, ...] | None = None,
        photos: PhotoBatches | None = None,
        chunk: int = 0,
        uses: int = 1,
    ) -> None:
        self._part, self._seed, self._pool = part, seed, pool
        self.size = size or SIZES[part]
        self._stages = stages or STAGES[part]
        self._photos, self._chunk_size, self._uses = photos, chunk, uses
        self._faults = "faults" not in constant
        self._options = _PAIRS[part]
        if "identities" in constant:
            self._options = replace(self._options, identities=range(1))
        backgrounds = 1500 if pool > 4000 else 300
        cuts = photos.backgrounds(2 * backgrounds) if photos else []
        self.studio = Studio(device, backgrounds, constant, cuts)
        self._pairs: tuple[int, Pairs] | None = None
        self._chunk: tuple[tuple[int, int, bool], Rendered] | None = None

    def batch(self, first: int, n: int) -> dict[str, Tensor]:
        """Samples `first` to `first + n`, n a multiple of 4 with photos, else of 2.

        Of the renders half are mirror images of the others: they are seen by other cameras, and
        tell a right hand from a left one best.

        Returns:
            image (n, 3, S, S) float in 0..1 and the targets of `targets`, in random order.
        """
        stage = next(s for s in self._stages if first < s.until)
        draws = self._draws(1, first)
        of_photos = n // 2 if self._photos and not stage.only_right else 0
        rgb, targets = self._rendered(draws, stage, first, n - of_photos)
        if of_photos:
            seen, known = self._photographed(first, of_photos)
            rgb = torch.cat([rgb, seen])
            targets = {k: torch.cat([v, known[k]]) for k, v in targets.items()}
        resolutions = OF_CROPS if self._part == "pose" else OF_FRAMES
        order = draws.some(1.0, n)
        batch = {"image": rgb, **targets}
        batch = {k: v[order] for k, v in batch.items()}
        batch["image"] = self._seen(draws, batch["image"], resolutions)
        if self._part == "pose" and self._faults:
            cut_by_frame(draws, batch["image"], batch)
        return batch

    def _photographed(self, first: int, n: int) -> Rendered:
        if self._photos is None:
            raise ValueError("this stream has no photos")
        rng = np.random.default_rng([self._seed, list(STAGES).index(self._part), 2, first])
        rgb, targets = getattr(self._photos, self._part)(rng, n, self.size)
        device = self.studio.device
        return rgb.to(device), {k: v.to(device) for k, v in targets.items()}

    def _rendered(self, draws: Draws, stage: Stage, first: int, n: int) -> Rendered:
        """Renders and their targets: made for this batch, or a part of a chunk made before."""
        if not self._chunk_size:
            return self._render(draws, stage, first, n)
        samples_a_render = 2 if self._photos and not stage.only_right else 1
        number, place = divmod(first // samples_a_render, self._chunk_size * self._uses)
        key = (number, self.size, stage.only_right)
        if self._chunk is None or self._chunk[0] != key:
            start = number * self._chunk_size
            made = self._render(self._draws(3, number), stage, start, self._chunk_size)
            self._chunk = (key, made)
        rgb, targets = self._chunk[1]
        order = self._draws(4, number * self._uses + place // self._chunk_size)
        rows = order.some(1.0, self._chunk_size)
        at = torch.arange(place, place + n, device=rows.device) % self._chunk_size
        rows = rows[at]
        return rgb[rows], {k: v[rows] for k, v in targets.items()}

    def _render(self, draws: Draws, stage: Stage, first: int, n: int) -> Rendered:
        """Renders `first` to `first + n` of all that are made."""
        rendered = n if stage.only_right else n // 2
        pairs = self._pairs_for(first // (self._pool * _REUSE))
        chosen = pairs[draws.integers(len(pairs), rendered)]
        if stage.only_right:
            chosen = right_alone(chosen)
        step = _AT_A_TIME[self.studio.device.type]
        made = [
            self._drawn(draws, chosen[i : min(i + step, rendered)], stage)
            for i in range(0, rendered, step)
        ]
        rgb = torch.cat([rgb for rgb, _ in made])
        return rgb, {k: torch.cat([t[k] for _, t in made]) for k in made[0][1]}

    def _drawn(self, draws: Draws, chosen: Pairs, stage: Stage) -> Rendered:
        if self._part == "detector":
            pictures = with_mirror_images(self._detector_pictures(draws, chosen))
            return pictures.rgb, detector_targets(pictures)
        pictures = self.studio.close_ups(draws, chosen, self.size, _CROPS)
        # The first stage has right hands alone.
        pictures = pictures if stage.only_right else with_mirror_images(pictures)
        return pictures.rgb, pose_targets(pictures)

    def _seen(self, draws: Draws, rgb: Tensor, resolutions: Resolutions) -> Tensor:
        if self._faults:
            return degrade(draws, rgb, resolutions)
        return rgb.permute(0, 3, 1, 2).float() / 255

    def _detector_pictures(self, draws: Draws, pairs: Pairs) -> Pictures:
        """Half windows about hands, half whole frames."""
        half = len(pairs) // 2
        windows = self.studio.close_ups(draws, pairs[:half], self.size, _WINDOWS)
        aspect = _ASPECTS[int(draws.number(0, len(_ASPECTS)))]
        width, height = (self.size * side // 16 for side in aspect)
        frames = self.studio.frames(draws, pairs[half:], width, height, _FRAMES)
        return joined(windows, letterboxed(frames, self.size))

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


def letterboxed(pictures: Pictures, size: int) -> Pictures:
    """Frames with grey bars to a square of `size` pixels, as detection fits them in."""
    height, width = pictures.rgb.shape[1:3]
    left, top = (size - width) // 2, (size - height) // 2
    bars = (left, size - width - left, top, size - height - top)
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
