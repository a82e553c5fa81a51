# SPDX-License-Identifier: Apache-2.0
"""HRNet-W32 trunk, down to its finest features only (Sun et al., CVPR 2019, arXiv 1902.09212).

Four branches at strides 4, 8, 16 and 32 run side by side and exchange their features after
every fourth residual block. Layer names are those of the public ImageNet checkpoints.
"""

from torch import Tensor, nn

from digit_core.network.blocks import conv_norm, conv_norm_relu

WIDTHS = (32, 64, 128, 256)  # channels at strides 4, 8, 16, 32
EXCHANGES = (1, 4, 3)  # in stages 2, 3 and 4
BLOCKS = 4  # residual blocks between two exchanges
STEM_WIDTH = 64
BOTTLENECK_WIDTH = 256


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; (B, width, H, W) in and out."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(width, width, 3)
        self.conv2, self.bn2 = conv_norm(width, width, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features after the block."""
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + x)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; (B, inputs, H, W) to (B, 256, H, W)."""

    def __init__(self, inputs: int):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(inputs, STEM_WIDTH, 1)
        self.conv2, self.bn2 = conv_norm(STEM_WIDTH, STEM_WIDTH, 3)
        self.conv3, self.bn3 = conv_norm(STEM_WIDTH, BOTTLENECK_WIDTH, 1)
        self.downsample: nn.Module = nn.Identity()
        if inputs != BOTTLENECK_WIDTH:
            self.downsample = nn.Sequential(*conv_norm(inputs, BOTTLENECK_WIDTH, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features after the block."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        out: Tensor = self.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return out


class Fusion(nn.Sequential):
    """One resampling per branch that comes in; their sum and a ReLU make one that goes on."""

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features of one branch out of those of all, finest first."""
        terms: list[Tensor] = []
        for index, resample in enumerate(self):
            terms.append(resample(features[index]))
        return _sum(terms).relu_()


class Exchange(nn.Module):
    """Residual blocks on each branch, then every output branch sums all branches.

    Args:
        branches: number of branches that come in.
        outputs: number of branches that go on, finest first.
    """

    def __init__(self, branches: int, outputs: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(BLOCKS)))
            for width in WIDTHS[:branches]
        )
        self.fuse_layers = nn.ModuleList(
            Fusion(*(_resample(source, target) for source in range(branches)))
            for target in range(outputs)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One (B, width, H, W) per branch, finest first, in and out."""
        refined: list[Tensor] = []
        for index, branch in enumerate(self.branches):
            refined.append(branch(features[index]))
        fused: list[Tensor] = []
        for fuse in self.fuse_layers:
            fused.append(fuse(refined))
        return fused


class HRNet(nn.Module):
    """(B, 3, H, W) images to (B, 32, H / 4, W / 4) features; H and W are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(3, STEM_WIDTH, 3, stride=2)
        self.conv2, self.bn2 = conv_norm(STEM_WIDTH, STEM_WIDTH, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            Bottleneck(STEM_WIDTH), *(Bottleneck(BOTTLENECK_WIDTH) for _ in range(3))
        )
        self.transition1 = nn.ModuleList(
            [conv_norm_relu(BOTTLENECK_WIDTH, WIDTHS[0]), _new_branch(BOTTLENECK_WIDTH, 1)]
        )
        self.stage2 = _stage(2, EXCHANGES[0], last_outputs=2)
        self.transition2 = _transition(2)
        self.stage3 = _stage(3, EXCHANGES[1], last_outputs=3)
        self.transition3 = _transition(3)
        self.stage4 = _stage(4, EXCHANGES[2], last_outputs=1)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the finest branch."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        features: list[Tensor] = []
        for transition in self.transition1:
            features.append(transition(x))
        for exchange in self.stage2:
            features = exchange(features)
        features.append(self.transition2[2](features[1]))
        for exchange in self.stage3:
            features = exchange(features)
        features.append(self.transition3[3](features[2]))
        for exchange in self.stage4:
            features = exchange(features)
        return features[0]


def _resample(source: int, target: int) -> nn.Module:
    """From branch `source` to the size and width of branch `target` (0 is the finest)."""
    if source == target:
        return nn.Identity()
    if source > target:
        widen = nn.Upsample(scale_factor=2.0 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_norm(WIDTHS[source], WIDTHS[target], 1), widen)
    width = WIDTHS[source]
    halvings = [conv_norm_relu(width, width, stride=2) for _ in range(target - source - 1)]
    last = nn.Sequential(*conv_norm(width, WIDTHS[target], 3, stride=2))
    return nn.Sequential(*halvings, last)


def _new_branch(inputs: int, branch: int) -> nn.Sequential:
    return nn.Sequential(conv_norm_relu(inputs, WIDTHS[branch], stride=2))


def _transition(branches: int) -> nn.ModuleList:
    """Old branches go on as they are (their places keep the numbering), one is added."""
    kept = [nn.Identity() for _ in range(branches)]
    return nn.ModuleList([*kept, _new_branch(WIDTHS[branches - 1], branches)])


def _stage(branches: int, exchanges: int, last_outputs: int) -> nn.ModuleList:
    outputs = [branches] * (exchanges - 1) + [last_outputs]
    return nn.ModuleList(Exchange(branches, count) for count in outputs)


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
