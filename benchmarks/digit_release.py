# SPDX-License-Identifier: Apache-2.0
"""Run the DIGIT release (github.com/zc-alexfan/digit-interacting) in place, on a CPU.

Nothing of the release is copied: it is imported from the folder that the user cloned it to. What
it wants and a plain machine lacks (a GPU for one constant, the ImageNet file, four packages of its
bookkeeping) is stood in for here; its arithmetic is untouched.
"""

import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
import torch.cuda.comm

from digit_core.skeleton import FINGERS

SETTINGS = {
    "output_root_hm_shape": 64,
    "output_hm_shape": (64, 64, 64),
    "input_img_shape": (256, 256),
    "bbox_3d_size": 400,
    "bbox_3d_size_root": 400,
    "beta": 1.0,
    "trans_test": "rootnet",
}
BOOKKEEPING = ("pygit2", "pyarrow", "tqdm", "lmdb")


def open_release(path: str) -> None:
    """Make the release's packages `src` and `elytra` importable.

    Raises:
        SystemExit: there is no release at `path`.
    """
    root = Path(path).resolve()
    if not (root / "src" / "model" / "model.py").is_file():
        raise SystemExit(f"{path}: no src/model/model.py; expected a clone of the DIGIT release")
    sys.path.insert(0, str(root))
    for name in BOOKKEEPING:
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
    sys.modules["tqdm"].tqdm = lambda items, **_: items
    torch.cuda.FloatTensor = torch.FloatTensor
    torch.cuda.comm.broadcast = lambda tensor, devices: [tensor]


def settings() -> SimpleNamespace:
    """The release's command-line settings, at their defaults."""
    return SimpleNamespace(**SETTINGS)


def skeleton_lines() -> list[str]:
    """InterHand2.6M's skeleton.txt: name, number, parent (-1 for the wrists)."""
    lines = []
    for offset, side in ((0, "r"), (21, "l")):
        for finger, name in enumerate(FINGERS):
            for step in range(4):
                joint = offset + 4 * finger + step
                parent = joint + 1 if step < 3 else offset + 20
                lines.append(f"{side}_{name}{4 - step} {joint} {parent}")
        lines.append(f"{side}_wrist {offset + 20} -1")
    return lines


def build_model() -> torch.nn.Module:
    """The release's whole model (network and losses) without its ImageNet start."""
    from src.model.model import Model
    from src.nets.hrnet import PoseHighResolutionNet

    PoseHighResolutionNet.init_weights = lambda self, pretrained="": None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "skeleton.txt").write_text("\n".join(skeleton_lines()) + "\n")
        return Model(SimpleNamespace(**SETTINGS, anno_path=folder))
