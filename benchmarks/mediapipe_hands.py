# SPDX-License-Identifier: Apache-2.0
"""MediaPipe Hands on pictures or a clip: runs in an environment of its own.

    python3 -m venv /tmp/mediapipe && /tmp/mediapipe/bin/pip install -r requirements/mediapipe.txt
    /tmp/mediapipe/bin/python benchmarks/mediapipe_hands.py photos < PATHS > PREDICTIONS
    /tmp/mediapipe/bin/python benchmarks/mediapipe_hands.py clip VIDEO

`photos` reads one path a line and answers with one line of JSON each: a list of {"side",
"confidence", "joints_2d": 21 x [x, y]}, pixels, the person's own side. `clip` decodes a video
first, follows it in video mode, and prints its version and every frame's milliseconds as JSON. It
needs nothing of this repository: `benchmarks.photos` and `benchmarks.mediapipe_speed` start it.
"""

import argparse
import json
import sys
import time

import cv2
import mediapipe as mp

# MediaPipe's handedness is that of selfies, which show people as a mirror does.
OWN_SIDE = {"Left": "right", "Right": "left"}


def hands_of(video: bool) -> mp.solutions.hands.Hands:
    """The whole pipeline as MediaPipe's guide sets it up, two hands, the larger model."""
    return mp.solutions.hands.Hands(
        static_image_mode=not video, max_num_hands=2, model_complexity=1
    )


def hands_in(answer, width: int, height: int) -> list[dict]:
    """MediaPipe's answer in pixels, (0, 0) the centre of the first."""
    sides = [h.classification[0] for h in answer.multi_handedness or []]
    points = [
        [[p.x * width - 0.5, p.y * height - 0.5] for p in hand.landmark]
        for hand in answer.multi_hand_landmarks or []
    ]
    return [
        {"side": OWN_SIDE[side.label], "confidence": side.score, "joints_2d": joints}
        for side, joints in zip(sides, points)  # noqa: B905 - runs on its Python 3.9 too
    ]


def photos() -> None:
    """Answer each path on the standard input."""
    with hands_of(video=False) as hands:
        for path in sys.stdin.read().splitlines():
            image = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            answer = hands.process(image)
            print(json.dumps(hands_in(answer, image.shape[1], image.shape[0])), flush=True)


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
    parser.add_argument("what", choices=("photos", "clip"))
    parser.add_argument("video", nargs="?")
    args = parser.parse_args()
    if args.what == "photos":
        photos()
    elif args.video:
        clip(args.video)
    else:
        parser.error("clip: give the video")


if __name__ == "__main__":
    main()
