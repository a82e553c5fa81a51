# SPDX-License-Identifier: Apache-2.0
"""Builds `raster.cpp` for the device at hand and calls it on tensors.

The CPU's build needs a C++ compiler, CUDA's needs nvcc; the library is kept in the user's cache.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("raster.cpp")
#: Label of faces that are not drawn.
HIDDEN = 255
#: Samples of one pixel along one side, and texels of the shadow map along one side.
SUPERSAMPLING = 2
SHADOW_SIZE = 384
_POINTERS = (
    *("screen", "position", "normal", "colour", "rest", "faces", "material", "label", "materials"),
    *("light", "shadow_transform", "shadow", "spheres", "cover", "rgba", "out_label", "depth"),
)
_SIZES = ("B", "V", "F", "M", "T", "N", "H", "W", "S")


class RasterBuildError(RuntimeError):
    """The renderer could not be built; the message says with what and why."""


class _Scene(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in _POINTERS] + [
        (name, ctypes.c_int32) for name in _SIZES
    ]


class Topology:
    """Faces (F, 3) int32 of a mesh, and for each vertex the faces around it."""

    def __init__(self, faces: Tensor) -> None:
        self.faces = faces.int().contiguous()
        corners = faces.long().flatten().cpu()
        start = torch.zeros(int(corners.max()) + 2, dtype=torch.int64)
        start[1:] = torch.bincount(corners).cumsum(0)
        self.start = start.int().to(faces.device)
        self.around = (torch.argsort(corners, stable=True) // 3).int().to(faces.device)

    def vertex_normals(self, position: Tensor) -> Tensor:
        """Unit normals (n, V, 3) of vertices (n, V, 3), their faces weighed by area."""
        position = position.contiguous()
        n, count = position.shape[:2]
        if count != len(self.start) - 1:
            raise ValueError(f"{count} vertices given, the faces join {len(self.start) - 1}")
        out = torch.empty_like(position)
        arrays = (position, self.faces, self.start, self.around, out)
        _call(position.device, "vertex_normals", *arrays, n, count)
        return out


def cover(screen: Tensor, faces: Tensor, label: Tensor, width: int, height: int) -> Tensor:
    """What is nearest in every sample.

    Args:
        screen: (n, V, 3) x, y in samples and q, which is linear on the screen, larger nearer, and
            not positive where a vertex cannot be seen.
        faces: (F, 3) int32.
        label: (n, F) uint8; HIDDEN faces are left out.
        width, height: samples.

    Returns:
        (n, height, width) int64: bits of q, then the face's number plus one; 0 for nothing.
    """
    n, count = screen.shape[:2]
    out = torch.zeros(n, height, width, dtype=torch.int64, device=screen.device)
    arguments = (screen.contiguous(), faces, label.contiguous(), out)
    _call(screen.device, "cover_faces", *arguments, n, count, len(faces), width, height)
    return out


def shade(width: int, height: int, **arrays: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colour, label and depth of every pixel; the arrays are those of `Scene` in `raster.cpp`.

    Returns:
        rgba (n, H, W, 4) uint8 premultiplied, labels (n, H, W) uint8, depth (n, H, W) metres, 0
        where nothing is.
    """
    position = arrays["position"]
    n, count = position.shape[:2]
    arrays |= {
        "rgba": torch.empty(n, height, width, 4, dtype=torch.uint8, device=position.device),
        "out_label": torch.empty(n, height, width, dtype=torch.uint8, device=position.device),
        "depth": torch.empty(n, height, width, device=position.device),
    }
    arrays = {k: v.contiguous() for k, v in arrays.items()}
    scene = _Scene(**{name: arrays[name].data_ptr() for name in _POINTERS})
    counts = (n, count, len(arrays["faces"]), arrays["materials"].shape[1], SHADOW_SIZE)
    sizes = (*counts, arrays["spheres"].shape[1], height, width, SUPERSAMPLING)
    for name, value in zip(_SIZES, sizes, strict=True):
        setattr(scene, name, value)
    _call(position.device, "shade_pixels", ctypes.byref(scene))
    return arrays["rgba"], arrays["out_label"], arrays["depth"]


def _call(device: torch.device, name: str, *arguments) -> None:
    values = [ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments]
    stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    code = getattr(_library(device.type), name)(*values, ctypes.c_void_p(stream))
    if code:
        raise RuntimeError(f"raster.cpp: {name} failed with CUDA error {code}")


@cache
def _library(kind: str) -> ctypes.CDLL:
    command = _command(kind)
    inputs = SOURCE.read_bytes() + " ".join(command).encode() + _processor()
    digest = hashlib.sha256(inputs).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digit"
    path = folder / f"raster-{kind}-{digest}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            built = Path(temporary) / path.name
            result = subprocess.run(
                [*command, str(SOURCE), "-o", str(built)], capture_output=True, text=True
            )
            if result.returncode != 0:
                raise RasterBuildError(f"{' '.join(command)}: {result.stderr.strip()}")
            built.replace(path)
    return ctypes.CDLL(str(path))


def _command(kind: str) -> list[str]:
    if kind == "cuda":
        compiler = shutil.which("nvcc")
        if compiler is None:
            raise RasterBuildError("rendering on CUDA needs nvcc (the CUDA toolkit) on the PATH")
        major, minor = torch.cuda.get_device_capability()
        options = ["-x", "cu", "-O3", f"-arch=sm_{major}{minor}", "-use_fast_math"]
        return [compiler, *options, "-shared", "-Xcompiler", "-fPIC"]
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")
    if compiler is None:
        raise RasterBuildError("rendering needs a C++ compiler (c++ or g++, or name one in CXX)")
    # Not -ffast-math: a library built with it changes how the whole process rounds.
    options = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp"]
    return [compiler, *options, "-shared", "-fPIC"]


def _processor() -> bytes:
    """What this processor can do: a library built for another one may not run on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return b""
    return "".join(sorted({x for x in lines if x.startswith(("flags", "Features"))})).encode()
