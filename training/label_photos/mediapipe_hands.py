# SPDX-License-Identifier: Apache-2.0
"""MediaPipe Hands on pictures, views or a clip: runs in an environment of its own.

    python3 -m venv /tmp/mediapipe && /tmp/mediapipe/bin/pip install -r requirements/mediapipe.txt
    /tmp/mediapipe/bin/python training/label_photos/mediapipe_hands.py photos < PATHS > PREDICTIONS
    /tmp/mediapipe/bin/python training/label_photos/mediapipe_hands.py views < VIEWS > PREDICTIONS
    /tmp/mediapipe/bin/python training/label_photos/mediapipe_hands.py clip VIDEO

`photos` reads one path a line and answers with one line of JSON each: a list of {"side",
"confidence", "joints_2d": 21 x [x, y], "world": 21 x [x, y, z]}, pixels, metres in camera axes,
the person's own side. `views` reads a line {"height", "width", "low"} and the RGB bytes after it,
again and again, and answers each likewise; "low" asks for whatever may be a hand. `clip` decodes a
video first, follows it in video mode, and prints its version and every frame's milliseconds as
JSON. It needs nothing of this repository: `training.label_photos`, `benchmarks.photos` and
`benchmarks.mediapipe_speed` start it.
"""

import argparse
import json
import sys
import time

import cv2
import mediapipe as mp
import numpy as np

# MediaPipe's handedness is that of selfies, which show people as a mirror does.
OWN_SIDE = {"Left": "right", "Right": "left"}
#: Least scores of palms and of hands, and most hands, where whatever may be a hand is asked for.
LOW, LOW_MOST = 0.2, 4


def hands_of(video: bool, low: bool = False) -> mp.solutions.hands.Hands:
    """The whole pipeline as MediaPipe's guide sets it up, two hands, the larger model."""
    return mp.solutions.hands.Hands(
        static_image_mode=not video,
        max_num_hands=LOW_MOST if low else 2,
        model_complexity=1,
        min_detection_confidence=LOW if low else 0.5,
        min_tracking_confidence=LOW if low else 0.5,
    )


def hands_in(answer, width: int, height: int) -> list[dict]:
    """MediaPipe's answer in pixels, (0, 0) the centre of the first."""
    sides = [h.classification[0] for h in answer.multi_handedness or []]
    points = [
        [[p.x * width - 0.5, p.y * height - 0.5] for p in hand.landmark]
        for hand in answer.multi_hand_landmarks or []
    ]
    worlds = [
        [[p.x, p.y, p.z] for p in hand.landmark] for hand in answer.multi_hand_world_landmarks or []
    ]
    return [
        {
            "side": OWN_SIDE[side.label],
            "confidence": side.score,
            "joints_2d": joints,
            "world": world,
        }
        for side, joints, world in zip(sides, points, worlds)  # noqa: B905 - its Python may be 3.9
    ]


def photos() -> None:
    """Answer each path on the standard input."""
    with hands_of(video=False) as hands:
        for path in sys.stdin.read().splitlines():
            read = cv2.imread(path, cv2.IMREAD_COLOR)
            if read is None:
                raise SystemExit(f"{path}: no picture that can be read")
            image = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
            answer = hands.process(image)
            print(json.dumps(hands_in(answer, image.shape[1], image.shape[0])), flush=True)


def views() -> None:
    """Answer each view on the standard input, until it ends."""
    source = sys.stdin.buffer
    with hands_of(video=False) as usual, hands_of(video=False, low=True) as low:
        while line := source.readline():
            job = json.loads(line)
            height, width = job["height"], job["width"]
            rgb = np.frombuffer(source.read(height * width * 3), np.uint8)
            answer = (low if job["low"] else usual).process(rgb.reshape(height, width, 3))
            print(json.dumps(hands_in(answer, width, height)), flush=True)


def clip(path: str) -> None:
    """Follow a clip and tell the time of each frame."""
    video, frames, times = cv2.VideoCapture(path), [], []
    while (read := video.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    with hands_of(video=True) as hands:
        for frame in frames:
            start = time.perf_counter()
            answer = hands.process(frame)
            times.append(1e3 * (time.perf_counter() - start))
            sys.stderr.write(f"{len(answer.multi_hand_landmarks or [])}\n")
    print(json.dumps({"mediapipe": mp.__version__, "ms": times}))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("photos", "views", "clip"))
    parser.add_argument("video", nargs="?")
    args = parser.parse_args()
    if args.what == "photos":
        photos()
    elif args.what == "views":
        views()
    elif args.video:
        clip(args.video)
    else:
        parser.error("clip: give the video")


if __name__ == "__main__":
    main()
