# SPDX-License-Identifier: Apache-2.0
"""How a network is run: norms folded, precision, compiled by OpenVINO on CPUs or else by torch.

The way from bytes to numbers is the same everywhere; OpenVINO compiles it in two, before and after
`Heads`; on CUDA crops are cut on the card, and a graph replays all from the frame to the numbers.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digit_core import openvino_chain
from digit_core.crop import NOWHERE, Crop
from digit_core.decode import PX_PER_CELL, pack
from digit_core.detection import detector_maps
from digit_core.device_crop import cut, placements
from digit_core.device_step import DeviceStep
from digit_core.network.detector import HandDetector
from digit_core.network.digit import Digit
from digit_core.network.lite import DigitLite
from digit_core.network.output import Heads
from digit_core.openvino_chain import OpenVinoChain
from digit_core.pair import MOST_LOOKS

#: Names of precisions; "auto" is decided by `dtype_of`.
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
#: Larger frames are cut in host memory: they would take longer to be sent than their crops to be
#: cut. 1920x1200.
_MOST_PIXELS_SENT = 2_304_000
#: A graph's joints are those of the same steps one by one but for other algorithms' rounding, which
#: moves those of an untrained network by pixels; wrong ones lie anywhere in the crop.
_SAME_MEDIAN_PX = 16.0
ENGINES = ("auto", "openvino", "torch")
_SIDE = 256
CPU_FLAGS = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def dtype_of(precision: str, device: torch.device, network: nn.Module | None = None) -> torch.dtype:
    """The floating type that a precision means on a device.

    "auto" is 16 bits for `digit-lite`, whose accuracy in them is measured
    (`test/training/synth/test_precision.py`): fp16 on CUDA, bf16 on a CPU that computes in it. Else
    fp32.

    Raises:
        ValueError: there is no such precision, or not on this device.
    """
    known = ["auto", *PRECISIONS]
    if precision not in known:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(known)}")
    if precision == "auto":
        if isinstance(network, DigitLite):
            if device.type == "cuda":
                return torch.float16
            if device.type == "cpu" and _cpu_has_bf16():
                return torch.bfloat16
        return torch.float32
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision 'fp16' on cpu: expected auto, fp32 or bf16")
    return PRECISIONS[precision]


@cache
def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 itself; where it does not, bf16 is slower than fp32."""
    try:
        flags = CPU_FLAGS.read_text().split()
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(flags)


def prepare(network: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of a network in eval mode that computes the same in less time.

    Args:
        network: stays as it is; one without batch norms comes back itself.
        dtype: of the copy's weights; images and the first two convolutions stay in float32.

    Returns:
        The network with every batch norm folded into its convolution, channels last.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    network = fold_norms(copy.deepcopy(network).eval()).requires_grad_(False)
    if dtype != torch.float32:
        network = _in_16_bits(network, dtype)
    # torch's stubs of `to` do not know memory_format.
    ready: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def _in_16_bits(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """All but the first two convolutions, in place.

    bf16 has the 8 bits of a picture's pixels: a picture scaled to another size loses some of them,
    which moves joints more than the rounding of all deeper layers together. Both of our networks
    begin with two convolutions that follow each other and are a hundredth of the work.
    """
    paths = [n for n, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    kept = [copy.deepcopy(network.get_submodule(path)) for path in paths[:2]]
    network = network.to(dtype)
    _replace(network, paths[0], kept[0])
    _replace(network, paths[1], _Rounded(kept[1], dtype))
    return network


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


class _Rounded(nn.Module):
    """A layer whose answer is rounded to a precision."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self._dtype = layer, dtype

    def forward(self, x: Tensor) -> Tensor:
        """The layer's own answer, rounded."""
        out: Tensor = self.layer(x).to(self._dtype)
        return out


def fold_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution registered just before it, in place.

    Our networks register each norm behind the convolution that feeds it; a norm that stands
    elsewhere is left alone.
    """
    before: tuple[str, nn.Module] | None = None
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
            setattr(network, before[0], fuse_conv_bn_eval(before[1], child))
            setattr(network, name, nn.Identity())
            before = None
        else:
            before = (name, fold_norms(child))
    return network


def engine_of(engine: str, device: torch.device, network: nn.Module) -> str:
    """What runs a network: "auto" is OpenVINO for ours on a CPU where it is installed, else torch.

    Raises:
        ValueError: there is no such engine, or not for this.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r}: expected one of {', '.join(ENGINES)}")
    ours = isinstance(network, (Digit, DigitLite, HandDetector))
    usable = ours and device.type == "cpu" and openvino_chain.available()
    if engine == "openvino" and not usable:
        raise ValueError(
            "engine 'openvino': expected a network of ours, on a CPU, and the package openvino"
        )
    return "openvino" if usable and engine != "torch" else "torch"


class PoseRuntime:
    """Runs the pose network: frames or crops in host memory to decoded numbers in host memory.

    Attributes:
        dtype: the precision of all but the first two convolutions and the decoding.
        engine: "openvino" or "torch".
        network: what is run, or was compiled; see `prepare`.
        cuts: crops are best cut where the network runs (`from_frames`), and not in host memory.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: str = "auto",
        graphs: bool = True,
        engine: str = "auto",
    ) -> None:
        """Prepare a network that is on `device`; on CUDA `graphs` replay what they can.

        Raises:
            ValueError: the precision or the engine cannot be had there.
        """
        self.dtype = dtype_of(precision, device, network)
        self.engine = engine_of(engine, device, network)
        self.cuts = device.type == "cuda"
        compiled = self.engine == "openvino"
        self.network = prepare(network, torch.float32 if compiled else self.dtype)
        if isinstance(self.network, DigitLite):
            self.network.upsample_parts = False  # `segmentation.paint` does, for who wants them
        self._chain: OpenVinoChain | None = None
        if compiled:
            steps = [_Heads(self.network), _Answer(self.network)]
            self._chain = OpenVinoChain(steps, _some_bytes(), self.dtype == torch.bfloat16)
        self._of_patches = DeviceStep(self._patches_step, device, graphs, _same_joints)
        self._of_frames = DeviceStep(self._frames_step, device, graphs, _same_joints)
        self._recorded: set[tuple[int, ...]] = set()

    @torch.inference_mode()
    def __call__(self, patches: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Run a batch of crops.

        Args:
            patches: (B, 256, 256, 3) uint8 RGB.

        Returns:
            `digit_core.decode.pack`'s numbers (B, N) float32, and the part logits (B, 33, h, w)
            on the device, at the network's own size.
        """
        if self._chain is not None:
            numbers, parts = self._chain(patches)
            return numbers, torch.from_numpy(parts)
        numbers, (parts_there,) = self._of_patches(patches)
        return numbers, parts_there

    @torch.inference_mode()
    def from_frames(
        self, images: Sequence[np.ndarray], crops: Sequence[Sequence[Crop]]
    ) -> tuple[np.ndarray, Tensor]:
        """Cut crops on the device out of frames that are sent there once, and run them.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes; frames of one size run together.
            crops: of each image, one or more.

        Returns:
            As for a batch of all crops in order, of the first image first.
        """
        of_size: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images):
            of_size.setdefault(image.shape, []).append(i)
        answers = [
            self._same_size([images[i] for i in some], [crops[i] for i in some])
            for some in of_size.values()
        ]
        if len(answers) == 1:
            return answers[0]
        ends = np.cumsum([len(some) for some in crops])
        places = np.split(np.arange(ends[-1]), ends[:-1])
        order = np.argsort(np.concatenate([places[i] for some in of_size.values() for i in some]))
        numbers, parts = zip(*answers, strict=True)
        return np.concatenate(numbers)[order], torch.cat(parts)[torch.from_numpy(order)]

    def _same_size(
        self, images: Sequence[np.ndarray], crops: Sequence[Sequence[Crop]]
    ) -> tuple[np.ndarray, Tensor]:
        shape = images[0].shape
        if shape[0] * shape[1] > _MOST_PIXELS_SENT:
            pairs = zip(images, crops, strict=True)
            return self(np.stack([crop.cut(image) for image, some in pairs for crop in some]))
        every = [crop for some in crops for crop in some]
        which = np.repeat(np.arange(len(images)), [len(some) for some in crops])
        frames = images[0][None]
        if len(images) > 1:
            frames = np.zeros((_bucket(len(images)), *shape), np.uint8)
            frames[: len(images)] = images
        self._record(frames)
        numbers, parts = self._of_crops(frames, which, placements(every, shape))
        return numbers[: len(every)], parts[: len(every)]

    def _of_crops(
        self, frames: np.ndarray, which: np.ndarray, where: np.ndarray
    ) -> tuple[np.ndarray, Tensor]:
        """Filled up with crops of nothing: each number of crops has a graph of its own."""
        more = _bucket(len(which)) - len(which)
        which = np.append(which, np.zeros(more, np.int64))
        where = np.concatenate([where, placements([NOWHERE] * more, frames.shape[1:])])
        numbers, (parts,) = self._of_frames(frames, which, where)
        return numbers, parts

    def _record(self, frames: np.ndarray) -> None:
        """Make all graphs of a size when its first frame comes, and not when a hand appears."""
        if not self._of_frames.replayed or frames.shape in self._recorded:
            return
        self._recorded.add(frames.shape)
        height, width = frames.shape[1:3]
        whole = Crop(width / 2, height / 2, max(width, height))
        for of_each in (1, 2, MOST_LOOKS):
            crops = [whole] * (of_each * len(frames))
            which = np.zeros(len(crops), np.int64)
            self._of_crops(frames, which, placements(crops, frames.shape[1:]))

    def _patches_step(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        return self._answer(_images(patches))

    def _frames_step(self, frames: Tensor, which: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        return self._answer(cut(frames, which, where))

    def _answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with _exact(self.dtype):
            output = self.network(images)
            return pack(output), output.part_logits


def _bucket(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()


def _same_joints(numbers: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two answers of `pack` are one but for rounding."""
    joints, others = (n[:, :-3].reshape(len(n), -1, 5)[..., :2] for n in (numbers, expected))
    apart_px = np.linalg.norm(joints - others, axis=-1) * PX_PER_CELL
    return bool(np.isfinite(numbers).all() and np.median(apart_px) <= _SAME_MEDIAN_PX)


class DetectorRuntime:
    """Runs the detector: letterboxed frames in host memory to its maps in host memory."""

    def __init__(self, network: nn.Module, device: torch.device, engine: str = "auto") -> None:
        """Prepare a network that is on `device`; float32 everywhere.

        Raises:
            ValueError: the engine cannot be had there.
        """
        self._maps = _DetectorMaps(prepare(network))
        self._chain: OpenVinoChain | None = None
        if engine_of(engine, device, network) == "openvino":
            self._chain = OpenVinoChain([self._maps], _some_bytes())
        self._step = DeviceStep(self._exactly, device)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """`digit_core.detection.detector_maps` (B, 5, 32, 32) of frames (B, 256, 256, 3) uint8."""
        if self._chain is not None:
            return self._chain(frames)[0]
        return self._step(frames)[0]

    def _exactly(self, frames: Tensor) -> tuple[Tensor]:
        with _exact(torch.float32):
            (maps,) = self._maps(frames)
            return (maps,)


class _Heads(nn.Module):
    """Crops (B, 256, 256, 3) uint8 to `Heads` as a tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> tuple[Tensor, ...]:
        heads: Heads = self.network.heads(_images(patches))  # type: ignore[operator]
        return tuple(heads)


class _Answer(nn.Module):
    """`Heads` to `pack`'s numbers and the part logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *heads: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network.answer(Heads(*heads))  # type: ignore[operator]
        return pack(output), output.part_logits


class _DetectorMaps(nn.Module):
    """Letterboxed frames (B, 256, 256, 3) uint8 to the maps that detections are read from."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor]:
        return (detector_maps(self.network(_images(frames))),)


def _images(patches: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [0, 1]."""
    return patches.permute(0, 3, 1, 2).float() / 255


def _some_bytes() -> Tensor:
    return torch.zeros(1, _SIDE, _SIDE, 3, dtype=torch.uint8)


@contextmanager
def _exact(dtype: torch.dtype) -> Iterator[None]:
    """Keep float32 convolutions float32 on CUDA: cuDNN's default, TF32, has 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and dtype != torch.float32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
