# SPDX-License-Identifier: Apache-2.0
"""Weights and images by rule, the same on every machine and torch version.

Number i of the tensor named k is the bits of splitmix64(crc32(k) * 2^32 + i) as a uniform
number in [-1, 1); the key's ending and the shape then scale it. Integers only up to there, so
nothing depends on a random generator or a sine.
"""

import math
import zlib

import numpy as np
import torch

#: Mean and deviation that `calibrate` gives the last layers' outputs: over each map, or over all
#: outputs where there is no map.
PEAKED = {
    "part_head.classes.3": (0.0, 3.0),
    "heatmap": (0.0, 6.0),
    "depth": (32.0, 10.0),
    "root_depth.2": (0.0, 2.0),
    "presence.2": (0.0, 2.0),
}


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 numbers in [-1, 1) that depend on the name and their index alone."""
    count = math.prod(shape)
    x = np.arange(count, dtype=np.uint64) + (np.uint64(zlib.crc32(name.encode())) << np.uint64(32))
    x = x * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return ((x >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0).reshape(shape)


def fill(model: torch.nn.Module) -> torch.nn.Module:
    """Overwrite every weight and statistic of a network by the rule, in its own dtype."""
    filled = {key: _value(key, value) for key, value in model.state_dict().items()}
    model.load_state_dict(filled)
    return model


def image(name: str, size: int = 256) -> torch.Tensor:
    """(1, 3, size, size) float64 in [0, 1]: soft blobs with some noise, by rule."""
    y, x = np.mgrid[0:size, 0:size] / size
    picture = np.zeros((3, size, size))
    for row in uniform(name, (12, 6)):
        distance = (x - 0.5 - 0.45 * row[0]) ** 2 + (y - 0.5 - 0.45 * row[1]) ** 2
        picture += (distance < 0.01 + 0.02 * abs(row[2])) * (0.5 + 0.5 * row[3:, None, None])
    picture = 0.35 * picture + 0.05 * (1 + uniform(name + "noise", picture.shape))
    return torch.from_numpy(np.clip(picture, 0.0, 1.0))[None]


@torch.no_grad()
def calibrate(model: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    """Make a filled `Digit` answer like a trained one: peaked heatmaps, many part classes.

    Batch norms get the images' statistics, disturbed by the rule, so that signals neither grow nor
    vanish; then every channel of `PEAKED` gets its mean and deviation. Leaves eval mode.
    """
    norms = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # plain averages, so one pass is enough
    model.train()(images)
    for name, norm in norms.items():
        disturbance = torch.from_numpy(uniform(name, (2, norm.num_features)))
        norm.running_mean += 0.2 * disturbance[0] * norm.running_var.sqrt()
        norm.running_var *= 1.0 + 0.3 * disturbance[1]
        norm.momentum = 0.1
    model.eval()
    for name, (mean, deviation) in PEAKED.items():
        _standardise(model, model.get_submodule(name), images, mean, deviation)
    return model


def _standardise(model, layer, images, mean: float, deviation: float) -> None:
    seen = []
    hook = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    model(images)
    hook.remove()
    is_map = seen[0].ndim == 4
    over = (0, 2, 3) if is_map else (0, 1)
    gain = deviation / seen[0].std(dim=over)
    layer.bias.copy_(mean + gain * (layer.bias - seen[0].mean(dim=over)))
    layer.weight.mul_(gain[:, None, None, None] if is_map else gain)


def _value(key: str, old: torch.Tensor) -> torch.Tensor:
    if not old.is_floating_point():
        return torch.full_like(old, 1000)
    u = uniform(key, tuple(old.shape))
    layer, kind = key.rsplit(".", 1)
    if kind == "running_var":
        u = 1.0 + 0.5 * u
    elif kind in ("running_mean", "bias"):
        u = 0.1 * u
    elif old.ndim == 1:  # a batch norm's factor; small where a shortcut adds up
        u = (0.25 if _ends_shortcut(layer) else 1.0) * (1.0 + 0.3 * u)
    else:
        u = math.sqrt(6.0 / math.prod(old.shape[1:])) * u
    return torch.from_numpy(np.asarray(u)).to(old.dtype)


def _ends_shortcut(layer: str) -> bool:
    return "backbone" in layer and (layer.endswith(("bn2", "bn3")) or "fuse_layers" in layer)
