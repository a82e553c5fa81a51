# SPDX-License-Identifier: Apache-2.0
"""Draws meshes into a picture and a label map with OpenGL (EGL; software drivers serve too)."""

from dataclasses import dataclass

import cv2
import moderngl
import numpy as np

from training.synth import shaders

#: Label of everything drawn that is no hand part: forearms, sleeves, things, people.
OTHER_LABEL = 64
_LAYOUT = "3f 3f 3f 3f 4f 1f"
_NAMES = ("position", "normal", "colour", "rest", "surface", "label")
_SUPERSAMPLING = 2
_SHADOW_SIZE = 384


@dataclass
class Mesh:
    """Triangles as corners: every array is per corner, (3 F, ...), camera frame metres.

    Attributes:
        position, normal: (3F, 3).
        colour: (3F, 3) linear RGB albedo.
        rest: (3F, 3) coordinates that the noise sticks to, metres.
        surface: (3F, 4) grain, bump, gloss, softness.
        label: (3F,) part label or OTHER_LABEL.
        model: (4, 4) placement in the camera frame.
        casts_shadow: whether it is drawn into the shadow map.
    """

    position: np.ndarray
    normal: np.ndarray
    colour: np.ndarray
    rest: np.ndarray
    surface: np.ndarray
    label: np.ndarray
    model: np.ndarray | None = None
    casts_shadow: bool = True

    def packed(self) -> bytes:
        """Interleaved float32 vertices."""
        columns = (
            self.position,
            self.normal,
            self.colour,
            self.rest,
            self.surface,
            self.label[:, None],
        )
        return np.concatenate(columns, axis=1).astype(np.float32).tobytes()


@dataclass
class Lighting:
    """Lights in the camera frame; directions point toward the light, colours are linear RGB."""

    key_direction: np.ndarray
    key_colour: np.ndarray
    fill_direction: np.ndarray
    fill_colour: np.ndarray
    sky_direction: np.ndarray
    sky_colour: np.ndarray
    ground_colour: np.ndarray
    shadow_strength: float
    shadow_softness: float
    exposure: float


class Renderer:
    """One OpenGL context; keeps its buffers for each size of picture that it has drawn."""

    def __init__(self) -> None:
        self._gl = moderngl.create_context(standalone=True, backend="egl")
        self._program = self._gl.program(shaders.VERTEX, shaders.FRAGMENT)
        self._shadow_program = self._gl.program(shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT)
        self._shadow = self._gl.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow.compare_func = ""
        self._shadow.repeat_x = self._shadow.repeat_y = False
        self._shadow_target = self._gl.framebuffer(depth_attachment=self._shadow)
        self._targets: dict[tuple[int, int], moderngl.Framebuffer] = {}

    def render(
        self,
        meshes: list[Mesh],
        k: np.ndarray,
        width: int,
        height: int,
        light: Lighting,
        focus: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw meshes that stand in the camera frame.

        Args:
            meshes: what to draw.
            k: (3, 3) pinhole intrinsics, (0, 0) the first pixel's centre.
            width, height: pixels.
            light: the lighting.
            focus: (3,) middle of the shadow map, which covers half a metre about it.

        Returns:
            RGB (H, W, 3) uint8, coverage (H, W) uint8, labels (H, W) uint8.
        """
        buffers = [(m, self._gl.buffer(m.packed())) for m in meshes]
        shadow_matrix = _shadow_matrix(light.key_direction, focus)
        self._draw_shadow(buffers, shadow_matrix)
        target = self._target(width * _SUPERSAMPLING, height * _SUPERSAMPLING)
        target.use()
        target.clear()
        self._gl.enable(moderngl.DEPTH_TEST)
        self._set_uniforms(light, _projection(k, width, height), shadow_matrix)
        for mesh, buffer in buffers:
            self._program["model"].write(_column_major(mesh.model))
            vao = self._gl.vertex_array(self._program, [(buffer, _LAYOUT, *_NAMES)])
            vao.render()
            vao.release()
        out = self._read(target, width, height)
        for _, buffer in buffers:
            buffer.release()
        return out

    def _draw_shadow(self, buffers, matrix: np.ndarray) -> None:
        self._shadow_target.use()
        self._shadow_target.clear()
        self._gl.enable(moderngl.DEPTH_TEST)
        self._shadow_program["light"].write(_column_major(matrix))
        for mesh, buffer in buffers:
            if not mesh.casts_shadow:
                continue
            self._shadow_program["model"].write(_column_major(mesh.model))
            vao = self._gl.vertex_array(self._shadow_program, [(buffer, "3f 56x", "position")])
            vao.render()
            vao.release()

    def _set_uniforms(self, light: Lighting, projection: np.ndarray, shadow: np.ndarray) -> None:
        p = self._program
        p["projection"].write(_column_major(projection))
        p["light"].write(_column_major(shadow))
        for name in (
            "key_direction",
            "key_colour",
            "fill_direction",
            "fill_colour",
            "sky_direction",
            "sky_colour",
            "ground_colour",
        ):
            p[name].value = tuple(float(x) for x in getattr(light, name))
        for name in ("shadow_strength", "shadow_softness", "exposure"):
            p[name].value = float(getattr(light, name))
        self._shadow.use(0)
        p["shadow_map"].value = 0

    def _target(self, width: int, height: int) -> moderngl.Framebuffer:
        if (width, height) not in self._targets:
            self._targets[width, height] = self._gl.framebuffer(
                [self._gl.texture((width, height), 4), self._gl.texture((width, height), 1)],
                self._gl.depth_renderbuffer((width, height)),
            )
        return self._targets[width, height]

    @staticmethod
    def _read(target, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = (height * _SUPERSAMPLING, width * _SUPERSAMPLING)
        colour = np.frombuffer(target.read(components=4, attachment=0, alignment=1), np.uint8)
        label = np.frombuffer(target.read(components=1, attachment=1, alignment=1), np.uint8)
        small = cv2.resize(colour.reshape(*shape, 4), (width, height), interpolation=cv2.INTER_AREA)
        labels = label.reshape(shape)[
            _SUPERSAMPLING // 2 :: _SUPERSAMPLING, _SUPERSAMPLING // 2 :: _SUPERSAMPLING
        ]
        return small[..., :3], small[..., 3], np.ascontiguousarray(labels)


def _projection(
    k: np.ndarray, width: int, height: int, near: float = 0.03, far: float = 12.0
) -> np.ndarray:
    """OpenGL projection of a pinhole camera along +z, y down; the first row read is the top."""
    a, b = (far + near) / (far - near), -2 * far * near / (far - near)
    return np.array(
        [
            [2 * k[0, 0] / width, 0, 2 * (k[0, 2] + 0.5) / width - 1, 0],
            [0, 2 * k[1, 1] / height, 2 * (k[1, 2] + 0.5) / height - 1, 0],
            [0, 0, a, b],
            [0, 0, 1, 0],
        ]
    )


def _shadow_matrix(direction: np.ndarray, focus: np.ndarray, radius: float = 0.32) -> np.ndarray:
    z = -direction / np.linalg.norm(direction)
    x = np.cross(z, [0.123, 0.987, 0.1])
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z]) / radius
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ focus
    return matrix


def _column_major(matrix: np.ndarray | None) -> bytes:
    matrix = np.eye(4) if matrix is None else matrix
    return matrix.T.astype(np.float32).tobytes()
