# SPDX-License-Identifier: Apache-2.0
"""What runs a network: OpenVINO on CPUs, or else torch, from bytes to decoded numbers.

The way from bytes to numbers is the same everywhere; OpenVINO compiles it in two, before and after
`Heads`; on CUDA crops are cut on the card, and a graph replays all from the frame to the numbers.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from digit_core import openvino_chain
from digit_core.crop import PATCH, Crop
from digit_core.decode import pack
from digit_core.detection import detector_maps
from digit_core.device_crops import DeviceCrops
from digit_core.device_cut import images_of
from digit_core.device_step import DeviceStep
from digit_core.network.detector import DETECTOR_SIZE, HandDetector
from digit_core.network.digit import Digit
from digit_core.network.lite import DigitLite
from digit_core.network.output import Heads
from digit_core.openvino_chain import OpenVinoChain
from digit_core.precision import dtype_of, prepare

ENGINES = ("auto", "openvino", "torch")


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
            # A network without norms comes back itself, and is the caller's: its layers are shared,
            # what is set here is not.
            self.network = copy.copy(self.network)
            self.network.upsample_parts = False  # `segmentation.paint` does, for who wants them
        self._chain: OpenVinoChain | None = None
        if compiled:
            steps = [_Heads(self.network), _Answer(self.network)]
            self._chain = OpenVinoChain(steps, _some_bytes(PATCH), self.dtype == torch.bfloat16)
        # Not a method of this object: a cycle would keep the compiled networks and their threads
        # until Python looks for cycles.
        self._on_device = DeviceCrops(partial(_answer, self.network, self.dtype), device, graphs)

    @property
    def replayed(self) -> bool:
        """Whether CUDA graphs are replayed; not where one could not be made."""
        return self._on_device.replayed

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
        return self._on_device.of_patches(patches)

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
        return self._on_device(images, crops)


class DetectorRuntime:
    """Runs the detector: letterboxed frames in host memory to its maps in host memory."""

    def __init__(self, network: nn.Module, device: torch.device, engine: str = "auto") -> None:
        """Prepare a network that is on `device`; float32 everywhere.

        Raises:
            ValueError: the engine cannot be had there.
        """
        maps = _DetectorMaps(prepare(network))
        self._chain: OpenVinoChain | None = None
        if engine_of(engine, device, network) == "openvino":
            self._chain = OpenVinoChain([maps], _some_bytes(DETECTOR_SIZE))
        self._step = DeviceStep(partial(_exactly, maps), device)

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """`digit_core.detection.detector_maps` (B, 5, h, w) of frames (B, H, W, 3) uint8.

        H and W are `network.detector.DETECTOR_SIZE`, h and w an eighth of it.
        """
        if self._chain is not None:
            return self._chain(frames)[0]
        return self._step(frames)[0]


def _answer(network: nn.Module, dtype: torch.dtype, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, 3, 256, 256) float32 in [0, 1] to `pack`'s numbers and the part logits."""
    with _exact(dtype):
        output = network(images)
        return pack(output), output.part_logits


def _exactly(maps: nn.Module, frames: Tensor) -> tuple[Tensor]:
    with _exact(torch.float32):
        (found,) = maps(frames)
        return (found,)


class _Heads(nn.Module):
    """Crops (B, 256, 256, 3) uint8 to `Heads` as a tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> tuple[Tensor, ...]:
        heads: Heads = self.network.heads(images_of(patches))  # type: ignore[operator]
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
    """Letterboxed frames (B, H, W, 3) uint8 to the maps that detections are read from."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor]:
        return (detector_maps(self.network(images_of(frames))),)


def _some_bytes(side: int) -> Tensor:
    return torch.zeros(1, side, side, 3, dtype=torch.uint8)


@contextmanager
def _exact(dtype: torch.dtype) -> Iterator[None]:
    """Keep float32 convolutions float32 on CUDA: cuDNN's default, TF32, has 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and dtype != torch.float32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
