# SPDX-License-Identifier: Apache-2.0
"""`pip install .` on a machine without ROS: digit_core with its weights, and training's commands.

The ROS package digit_ros is never installed this way; colcon builds it (CMakeLists.txt).
"""

from setuptools import find_namespace_packages, setup

setup(
    name="digit-hands",
    version="0.1.0",
    description="Both hands in a camera image: skeletons and part segmentation by the method DIGIT",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_namespace_packages(
        include=["digit_core", "digit_core.*", "training", "training.*"],
        exclude=["*.__pycache__"],
    ),
    package_data={"": ["*.cpp", "*.safetensors", "*.json", "*.npz", "*.txt", "*.yaml"]},
    install_requires=[
        "numpy>=1.26",
        "opencv-python>=4.10,<5",
        "safetensors>=0.4",
        "torch>=2.4",
        "openvino>=2026.4; platform_machine in 'x86_64 aarch64 arm64 AMD64'",
    ],
    extras_require={
        "training": [
            "lightning>=2.5,<3",
            "lmdb>=1.4",
            "pillow>=10",
            "tensorboard>=2.16",
            "tqdm>=4.60",
            "ijson>=3.2",
            "deflate>=0.9",
        ],
        "export": ["onnx>=1.16", "onnxruntime>=1.19", "onnxscript>=0.5"],
        "render": ["anny==0.6.2", "trimesh>=4"],
    },
)
