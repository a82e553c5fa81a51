# SPDX-License-Identifier: Apache-2.0
"""The MANO hand model (Romero et al., 2017) from the user's own files, and its parts.

Nothing of MANO is part of this project. What is done here, and against which facts, stands in
docs/training.md: the pose is relative to the mean hand, shapes come in metres, and InterHand2.6M's
fits turn the hand about its root joint in the world's frame.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digit_core.parts import Part
from training.interhand.errors import DataError
from training.interhand.pickles import Inert, read_pickle

VERTICES, JOINTS = 778, 16
MISSING = "expected MANO's own file, from mano.is.tue.mpg.de"
#: Part of each of MANO's joints: wrist, then index, middle, pinky, ring, thumb, base to tip.
PART_OF_JOINT = np.array(
    [Part.PALM]
    + [
        Part[f"{finger}_{segment}"]
        for finger in ("INDEX", "MIDDLE", "PINKY", "RING", "THUMB")
        for segment in ("PROXIMAL", "MIDDLE", "DISTAL")
    ],
    dtype=np.uint8,
)


@dataclass(frozen=True)
class Mano:
    """One hand's model.

    Attributes:
        template: (778, 3) metres.
        shape: (778, 3, 10) change by shape coefficient.
        pose: (778, 3, 135) change by the entries of the 15 rotation matrices minus the identity.
        regressor: (16, 778) joints from vertices.
        weights: (778, 16) skinning.
        parents: (16,) parent joints, the first has none.
        mean: (45,) mean hand pose, axis-angle.
        faces: (F, 3) vertex indices, the wrist closed.
    """

    template: np.ndarray
    shape: np.ndarray
    pose: np.ndarray
    regressor: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    mean: np.ndarray
    faces: np.ndarray

    def vertices(self, pose: np.ndarray, shape: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Skin in the world's frame.

        Args:
            pose: (48,) axis-angle: the whole hand's, then 15 joints' relative to the mean.
            shape: (10,).
            place: (3,) translation, metres.

        Returns:
            (778, 3) metres.
        """
        turns = (np.asarray(pose, dtype=np.float64) + np.append(np.zeros(3), self.mean)).reshape(
            -1, 3
        )
        rotations = np.stack([cv2.Rodrigues(turn)[0] for turn in turns])
        shaped = self.template + self.shape @ np.asarray(shape, dtype=np.float64)
        rest = self.regressor @ shaped
        bent = shaped + self.pose @ (rotations[1:] - np.eye(3)).ravel()
        motions = np.zeros((JOINTS, 4, 4))
        for joint, parent in enumerate(self.parents):
            local = np.eye(4)
            local[:3, :3] = rotations[joint]
            local[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
            motions[joint] = motions[parent] @ local if joint else local
        motions[:, :3, 3] -= np.einsum("jab,jb->ja", motions[:, :3, :3], rest)
        skinning = np.einsum("vj,jab->vab", self.weights, motions[:, :3])
        moved = np.einsum("vab,vb->va", skinning[:, :, :3], bent) + skinning[:, :, 3]
        return np.asarray(moved + np.asarray(place, dtype=np.float64))


def load_hands(folder: Path) -> tuple[Mano, Mano]:
    """Right and left hand from MANO_RIGHT.pkl and MANO_LEFT.pkl.

    The published left hand's shapes have the right one's x instead of its mirror image, all ten of
    them; they are turned round here as InterHand2.6M's own tools do.

    Raises:
        DataError: a file is missing or not MANO's.
    """
    right, left = (load_mano(folder / f"MANO_{side}.pkl") for side in ("RIGHT", "LEFT"))
    if np.abs(left.shape[:, 0, :] - right.shape[:, 0, :]).sum() < 1:
        left.shape[:, 0, :] *= -1
    return right, left


def load_mano(path: Path) -> Mano:
    """One of MANO's files, read without running anything of it.

    Raises:
        DataError: the file is missing or not MANO's.
    """
    found = read_pickle(path, inert=("chumpy", "scipy"))
    try:
        arrays = {
            "template": _array(found["v_template"]),
            "shape": _array(found["shapedirs"]),
            "pose": _array(found["posedirs"]),
            "regressor": _array(found["J_regressor"]),
            "weights": _array(found["weights"]),
            "mean": _array(found["hands_mean"]),
        }
        parents = np.array(np.asarray(found["kintree_table"])[0], dtype=np.int64).ravel()
        faces = np.array(found["f"], dtype=np.int64)
    except Exception as error:  # numpy raises many kinds over what is no array
        raise DataError(f"{path}: has no {error}; {MISSING}") from error
    _check_tree(path, parents, faces)
    parents[0] = 0
    wanted = {
        "template": (VERTICES, 3),
        "shape": (VERTICES, 3, 10),
        "pose": (VERTICES, 3, 9 * (JOINTS - 1)),
        "regressor": (JOINTS, VERTICES),
        "weights": (VERTICES, JOINTS),
        "mean": (3 * (JOINTS - 1),),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise DataError(f"{path}: {name} is {arrays[name].shape}, not {shape}; {MISSING}")
    return Mano(**arrays, parents=parents, faces=close_wrist(faces))


def _check_tree(path: Path, parents: np.ndarray, faces: np.ndarray) -> None:
    """Raise DataError where joints hang on later ones, or faces on vertices that are not there."""
    order = np.arange(JOINTS)
    if parents.shape != (JOINTS,) or not ((0 <= parents) & (parents < order))[1:].all():
        raise DataError(f"{path}: kintree_table is no tree of {JOINTS} joints; {MISSING}")
    if faces.ndim != 2 or faces.shape[1] != 3 or not ((0 <= faces) & (faces < VERTICES)).all():
        raise DataError(f"{path}: f is no list of triangles of {VERTICES} vertices; {MISSING}")


def _array(value: Any) -> np.ndarray:
    """A plain array out of what MANO's pickles hold: arrays, chumpy's, scipy's sparse ones."""
    if not isinstance(value, Inert):
        return np.array(value, dtype=np.float64)
    stored = value.stored
    if "indptr" in stored:
        dense = np.zeros(stored["_shape"] if "_shape" in stored else stored["shape"])
        for column, (start, end) in enumerate(pairwise(stored["indptr"])):
            dense[stored["indices"][start:end], column] = stored["data"][start:end]
        return dense
    if "x" in stored:
        return _array(stored["x"])
    if {"a", "idxs", "preferred_shape"} <= stored.keys():  # chumpy's selection of another's entries
        chosen = _array(stored["a"]).ravel()[np.asarray(stored["idxs"])]
        return np.asarray(chosen.reshape(stored["preferred_shape"]))
    raise TypeError(f"array in the form {sorted(stored)}")


def close_wrist(faces: np.ndarray) -> np.ndarray:
    """Faces and a fan over the one open edge, about its first vertex."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    present = {tuple(edge) for edge in edges.tolist()}
    following = {b: a for a, b in present if (b, a) not in present}
    if not following:
        return faces
    first = min(following)
    loop, here = [first], following[first]
    while here != first and len(loop) <= len(following):
        loop.append(here)
        here = following[here]
    fan = [(loop[0], a, b) for a, b in zip(loop[1:], loop[2:], strict=False)]
    return np.concatenate([faces, np.array(fan, dtype=faces.dtype).reshape(-1, 3)])


def vertex_parts(weights: np.ndarray) -> np.ndarray:
    """(778,) part of each vertex, right-hand labels 1 to 16: that of its heaviest joint."""
    return np.asarray(PART_OF_JOINT[weights.argmax(axis=1)])


def read_vertex_parts(path: Path) -> np.ndarray:
    """(778,) parts from the release's list (0 to 15 for 1 to 16; a 779th for its wrist's cap).

    Raises:
        DataError: it is no such list.
    """
    try:
        values = np.array(json.loads(path.read_text()), dtype=np.int64)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: no list of vertex parts ({error})") from error
    if (
        values.ndim != 1
        or len(values) not in (VERTICES, VERTICES + 1)
        or not set(values) <= set(range(16))
    ):
        raise DataError(f"{path}: expected {VERTICES} or {VERTICES + 1} whole numbers 0 to 15")
    return (values[:VERTICES] + 1).astype(np.uint8)
