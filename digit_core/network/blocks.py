# SPDX-License-Identifier: Apache-2.0
"""The few layer stacks from which trunk, U-Net and heads are built."""

from itertools import pairwise

from torch import nn


def conv_norm(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Convolution without bias and its batch norm, padded to keep H and W at stride 1."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def conv_norm_relu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU; H and W are divided by `stride`."""
    return nn.Sequential(*conv_norm(inputs, outputs, 3, stride), nn.ReLU(inplace=True))


def double_conv(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    """Twice 3x3 convolution (with bias), batch norm, ReLU; H and W are kept."""
    return nn.Sequential(
        nn.Conv2d(inputs, middle, 3, padding=1),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def conv_relu(widths: tuple[int, ...], pool_after: tuple[int, ...]) -> nn.Sequential:
    """3x3 convolutions with ReLU from `widths[0]` to `widths[-1]` channels.

    A max pool that halves H and W follows the convolutions (counted from 1) in `pool_after`; it
    stands before the ReLU, which gives the same numbers and leaves it a quarter of the work.
    """
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        if number in pool_after:
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def upsample_bilinear() -> nn.Upsample:
    """Twice the size, corners aligned: the corner cells' centres stay in the corners."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
