# SPDX-License-Identifier: Apache-2.0
"""Files of MANO's exact shape (778 vertices, 16 joints, 10 shapes) out of our own baked hand."""

import pickle
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from training import mano
from training.synth.hand_model import HandModel, Poses

#: Bones of the baked arm for MANO's joints: wrist, then index, middle, pinky, ring, thumb.
FINGERS = (1, 2, 4, 3, 0)
BONE_OF_JOINT = [2] + [3 + 3 * finger + step for finger in FINGERS for step in range(3)]
#: Public joints at which MANO's joints lie.
PLACE_OF_JOINT = [0] + [1 + 4 * finger + step for finger in FINGERS for step in range(3)]
PARENTS = [0] + [0 if step == 0 else 3 * i + step for i in range(5) for step in range(3)]
MEAN = np.linspace(-0.2, 0.3, 45)
NEAR = 24  # vertices that give a joint's place


@dataclass
class OurHand:
    """The baked right hand by 778 of its vertices."""

    model: HandModel
    chosen: np.ndarray
    faces: np.ndarray

    @classmethod
    def decimated(cls):
        """Vertices far from each other; each of the others stands on the nearest of its part."""
        model = HandModel()
        bone = model.weights.argmax(dim=1).numpy()
        vertices = model.rest_vertices(model.shapes(torch.zeros(1, 32)))[0].numpy()
        hand = np.flatnonzero(bone >= 2)
        chosen = [hand[0]]
        distance = np.full(len(hand), np.inf)
        while len(chosen) < mano.VERTICES:
            step = np.linalg.norm(vertices[hand] - vertices[chosen[-1]], axis=1)
            distance = np.minimum(distance, step)
            chosen.append(hand[distance.argmax()])
        chosen = np.array(chosen)
        apart = np.linalg.norm(vertices[:, None] - vertices[chosen], axis=2)
        apart += 1.0 * (bone[:, None] != bone[chosen])
        faces = apart.argmin(axis=1)[model.faces.numpy()]
        whole = np.isin(model.faces.numpy(), hand).all(axis=1)
        whole &= [len(set(face)) == 3 for face in faces.tolist()]
        return cls(model, chosen, np.unique(faces[whole], axis=0))

    def shapes(self, coefficients):
        """Identity of the first ten coefficients."""
        padded = torch.zeros(1, 32)
        padded[0, :10] = torch.as_tensor(coefficients, dtype=torch.float32)
        return self.model.shapes(padded)

    def vertices(self, coefficients, poses=None):
        """(778, 3) as the renderer bends the hand, wrist at the origin."""
        shapes = self.shapes(coefficients)
        rest = self.model.rest_vertices(shapes)
        if poses is None:
            return rest[0, self.chosen].double().numpy()
        arms = self.model.pose(shapes, poses)
        return self.model.vertices(rest, arms)[0, self.chosen].double().numpy()

    def joints(self, coefficients):
        """(16, 3) rest joints in MANO's order."""
        return self.shapes(coefficients).joints[0, PLACE_OF_JOINT].double().numpy()

    def weights(self):
        """(778, 16) skinning; the arm's share goes to the wrist."""
        weights = self.model.weights[self.chosen].double().numpy()
        moved = weights[:, BONE_OF_JOINT]
        moved[:, 0] += weights[:, :2].sum(axis=1)
        return moved / moved.sum(axis=1, keepdims=True)

    def rotations(self, coefficients, poses):
        """(16, 3, 3) turns of the joints against their parents."""
        bones = self.model.pose(self.shapes(coefficients), poses).bones[0, BONE_OF_JOINT, :, :3]
        turns = bones.double().numpy()
        return np.stack([turns[p].T @ turns[j] if j else turns[0] for j, p in enumerate(PARENTS)])

    def file(self, side):
        """What MANO_RIGHT.pkl or MANO_LEFT.pkl would hold of this hand, as plain arrays."""
        template = self.vertices(np.zeros(10))
        shape = np.stack([self.vertices(row) - template for row in np.eye(10)], axis=2)
        regressor = _regressor(template, shape, self)
        mirror = np.array([1.0 if side == "right" else -1.0, 1.0, 1.0])
        return {
            "v_template": template * mirror,
            "shapedirs": shape,  # the published fault: the left file's too have the right hand's x
            "posedirs": np.zeros((mano.VERTICES, 3, 135)),
            "J_regressor": regressor,
            "weights": self.weights(),
            "hands_mean": MEAN,
            "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(16)], dtype=np.int64),
            "f": (self.faces if side == "right" else self.faces[:, ::-1]).astype(np.uint32),
        }


def _regressor(template, shape, hand):
    """(16, 778) that gives the joints of every identity from a few vertices each."""
    identities = np.vstack([np.zeros(10), np.eye(10)])
    wanted = np.stack([hand.joints(row) for row in identities])  # (11, 16, 3)
    seen = np.stack([template + shape @ row for row in identities])  # (11, 778, 3)
    regressor = np.zeros((mano.JOINTS, mano.VERTICES))
    for joint in range(mano.JOINTS):
        near = np.linalg.norm(template - wanted[0, joint], axis=1).argsort()[: 2 * NEAR]
        rows = np.vstack(
            [seen[:, near].transpose(0, 2, 1).reshape(-1, len(near)), np.ones(len(near))]
        )
        regressor[joint, near] = np.linalg.lstsq(rows, np.append(wanted[:, joint].ravel(), 1))[0]
    return regressor


@pytest.fixture(scope="session")
def our_hand():
    return OurHand.decimated()


@pytest.fixture(scope="session")
def mano_folder(our_hand, tmp_path_factory):
    """Pickled as the published files are: chumpy's arrays and scipy's compressed columns."""
    chumpy, scipy = types.ModuleType("chumpy"), types.ModuleType("scipy")
    chumpy.Ch = type("Ch", (), {"__module__": "chumpy"})
    scipy.csc = type("csc", (), {"__module__": "scipy"})
    folder = tmp_path_factory.mktemp("mano")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "chumpy", chumpy)
        patch.setitem(sys.modules, "scipy", scipy)
        for side in ("right", "left"):
            content = our_hand.file(side)
            wrapped = chumpy.Ch()
            wrapped.__dict__ = {"x": content["shapedirs"]}
            dense, sparse = content["J_regressor"], scipy.csc()
            rows = [np.flatnonzero(column) for column in dense.T]
            sparse.__dict__ = {
                "indptr": np.cumsum([0, *map(len, rows)]),
                "indices": np.concatenate(rows),
                "data": np.concatenate([c[r] for c, r in zip(dense.T, rows, strict=True)]),
                "_shape": dense.shape,
            }
            content |= {"shapedirs": wrapped, "J_regressor": sparse}
            (folder / f"MANO_{side.upper()}.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder


@pytest.fixture
def bent():
    """A right arm with all fingers bent, some spread, the thumb twisted."""
    poses = Poses.rest(1)
    generator = torch.Generator().manual_seed(3)
    poses.fingers = 0.6 * torch.rand(1, 5, 4, generator=generator)
    poses.thumb_twist = torch.full((1,), 0.2)
    return poses
