# SPDX-License-Identifier: Apache-2.0
"""The size that a picture file's header names, read before anything of that size is allocated.

OpenCV's own limit of pixels belongs to the whole process, and a program that imports us may want
another. Each reader finds the numbers where OpenCV's decoder of that format finds them.
"""

import re
from collections.abc import Callable, Iterator
from struct import error as StructError
from struct import unpack_from

Size = tuple[int, int]
Data = bytes | memoryview

_PNM = re.compile(rb"P[1-6](?:\s|#[^\n\r]*[\n\r])*(\d+)\s(?:\s|#[^\n\r]*[\n\r])*(\d+)")
_HDR = re.compile(rb"-Y\s*(\d+)\s*\+X\s*(\d+)")
#: JPEG markers: those without a length, those after which no frame begins, those of frames.
_JPEG_MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)
_ALONE = {0x00, 0x01, *range(0xD0, 0xD8)}
_JPEG_ENDS = {0xD8, 0xD9, 0xDA}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def picture_size(data: Data) -> Size | None:
    """Width and height in pixels of a picture file's content; None where they cannot be found.

    JPEG, PNG, BMP, WebP, TIFF, GIF, PNM, JPEG 2000 and Radiance HDR are known.

    >>> picture_size(b"P5 640 480 255 ...")
    (640, 480)
    """
    for signature, read in _READERS:
        if re.match(signature, data, re.DOTALL):
            try:
                return read(data)
            except (StructError, KeyError, ValueError):  # it is cut off, or its numbers are none
                return None
    return None


def _jpeg(data: Data) -> Size | None:
    """As libjpeg: anything between markers is skipped, the first frame counts."""
    place = 2
    while found := _JPEG_MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker in _FRAMES:
            height, width = unpack_from(">HH", data, place + 3)
            return width, height
        if marker in _JPEG_ENDS:
            break
        if marker not in _ALONE:
            place += max(int(unpack_from(">H", data, place)[0]), 2)
    return None


def _png(data: Data) -> Size | None:
    width, height = unpack_from(">II", data, 16)
    return (width, height) if data[12:16] == b"IHDR" else None


def _bmp(data: Data) -> Size | None:
    if unpack_from("<I", data, 14)[0] == 12:
        width, height = unpack_from("<HH", data, 18)
    else:
        width, height = unpack_from("<ii", data, 18)
    return abs(width), abs(height)


def _webp(data: Data) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        packed = int.from_bytes(data[24:30], "little")
        return 1 + (packed & 0xFFFFFF), 1 + (packed >> 24)
    if kind == b"VP8L":
        packed = unpack_from("<I", data, 21)[0]
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    width, height = unpack_from("<HH", data, 26)
    return (width & 0x3FFF, height & 0x3FFF) if kind == b"VP8 " else None


def _tiff(data: Data) -> Size | None:
    """Of the first directory; the largest where a tag comes twice."""
    order = "<" if data[:2] == b"II" else ">"
    big = unpack_from(order + "H", data, 2)[0] == 43
    start = unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count = unpack_from(order + ("Q" if big else "H"), data, start)[0]
    entry, first, value = (20, 8, 12) if big else (12, 2, 8)
    found = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
    for place in range(start + first, min(start + first + count * entry, len(data)), entry):
        tag, kind = unpack_from(order + "HH", data, place)
        if tag in found:
            number = unpack_from(order + _TIFF_TYPES[kind], data, place + value)[0]
            found[tag] = max(found[tag], number)
    return found[_TIFF_WIDTH], found[_TIFF_HEIGHT]


def _gif(data: Data) -> Size | None:
    width, height = unpack_from("<HH", data, 6)
    return width, height


def _pnm(data: Data) -> Size | None:
    found = _PNM.match(data)
    return (int(found[1]), int(found[2])) if found else None


def _jpeg_2000(data: Data) -> Size | None:
    return _largest(_jpeg_2000_sizes(data))


def _jpeg_2000_sizes(data: Data) -> Iterator[Size]:
    """Of every SIZ marker whose length fits its number of components."""
    for place in (found.start() + 2 for found in re.finditer(rb"\xff\x51", data)):
        if place + 38 <= len(data):
            length, right, bottom, left, top = unpack_from(">H2x4I", data, place)
            if length == 38 + 3 * unpack_from(">H", data, place + 36)[0]:
                yield max(right - left, 0), max(bottom - top, 0)


def _hdr(data: Data) -> Size | None:
    return _largest((int(one[2]), int(one[1])) for one in _HDR.finditer(data))


def _largest(sizes: Iterator[Size]) -> Size | None:
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


#: What a file of each format begins with, and what reads its size.
_READERS: tuple[tuple[bytes, Callable[[Data], Size | None]], ...] = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"BM", _bmp),
    (rb"RIFF....WEBP", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"GIF8[79]a", _gif),
    (rb"P[1-6]\s", _pnm),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", _jpeg_2000),
    (rb"#\?", _hdr),
)
