# SPDX-License-Identifier: Apache-2.0
"""Names of the weights: the published checkpoint's against those of `Digit`."""

from collections.abc import Mapping
from typing import Any

#: (start of a published key, start of the same key here); the first row that fits counts.
PUBLISHED_TO_OURS = (
    ("pose_reg.backbone.", "backbone."),
    ("pose_reg.hand_segm.segm_head.upsampler.up1.conv.double_conv.", "part_head.features."),
    ("pose_reg.hand_segm.segm_head.segm_net.double_conv.", "part_head.classes."),
    ("pose_reg.conv_segm_feat.", "part_features."),
    ("pose_reg.merge_layer.inc.double_conv.", "merge.enter."),
    ("pose_reg.merge_layer.down1.maxpool_conv.1.double_conv.", "merge.down1."),
    ("pose_reg.merge_layer.down2.maxpool_conv.1.double_conv.", "merge.down2."),
    ("pose_reg.merge_layer.down3.maxpool_conv.1.double_conv.", "merge.down3."),
    ("pose_reg.merge_layer.up1.conv.double_conv.", "merge.up1."),
    ("pose_reg.merge_layer.up2.conv.double_conv.", "merge.up2."),
    ("pose_reg.merge_layer.up3.conv.double_conv.", "merge.up3."),
    ("pose_reg.merge_layer.outc.conv.", "merge.leave."),
    ("pose_reg.conv_hm.", "heatmap."),
    ("pose_reg.conv_depth.", "depth."),
    ("pose_reg.conv_head.", "global_features."),
    ("pose_reg.root_fc.", "root_depth."),
    ("pose_reg.hand_fc.", "presence."),
)


def ours_from_published(state: Mapping[str, Any]) -> dict[str, Any]:
    """Rename published keys (`pose_reg...`) to those of `Digit`; other keys stay as they are."""
    return {_replace_start(key, PUBLISHED_TO_OURS): value for key, value in state.items()}


def published_from_ours(state: Mapping[str, Any]) -> dict[str, Any]:
    """Inverse of `ours_from_published`: the names that the DIGIT release reads."""
    rows = tuple((ours, published) for published, ours in PUBLISHED_TO_OURS)
    return {_replace_start(key, rows): value for key, value in state.items()}


def without_wrapper(state: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the `model.` that a Lightning module puts before every key of its network."""
    return {key.removeprefix("model."): value for key, value in state.items()}


def _replace_start(key: str, rows: tuple[tuple[str, str], ...]) -> str:
    for old, new in rows:
        if key.startswith(old):
            return new + key[len(old) :]
    return key
