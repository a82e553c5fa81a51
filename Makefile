# SPDX-License-Identifier: Apache-2.0
# make demo   set up everything, then run the main job: camera topic -> digit_node -> consumer
#             IMAGE=photo.jpg, VIDEO=clip.mp4 or CAMERA=0 in place of the bundled clip
# make test   set up everything, then run the tests; TESTS="test/digit_ros -k player" picks some
# make        set up only;  make shell: a shell where ROS 2 and the packages are found
# make retarget   .venv-retarget: dex-retargeting for retarget_node, 1.6 GB, apart from ROS's NumPy
# make soak   100,000 pictures through digit_node, an hour: does anything grow? FRAMES=2000 is shorter
# make fuzz   malformed and extreme messages and files; COUNT=20000 SEED=0 are the defaults
# make audit  every pinned version against the known vulnerabilities; asks pypi.org
# ROS=jazzy takes the wheels of that distribution; PYTHON=python3.12 another interpreter.

ROS ?= kilted
PYTHON ?= python3
TESTS ?=
FRAMES ?= 100000
COUNT ?= 20000
SEED ?= 0
export ROS

# A sourced distribution would win over the wheels.
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
unexport COLCON_PREFIX_PATH ROS_DISTRO RMW_IMPLEMENTATION

.PHONY: setup demo test soak fuzz lint audit shell clean retarget

setup:
	@$(PYTHON) scripts/set_up.py

demo: setup
	@./scripts/ros-env python -m digit_ros.demo $(if $(IMAGE),--image '$(IMAGE)') \
		$(if $(VIDEO),--video '$(VIDEO)') $(if $(CAMERA),--camera '$(CAMERA)')

# Two at a time: most tests wait for processes to start. A file's tests stay together.
test: setup
	@./scripts/ros-env python -m pytest $(or $(TESTS),-n 2 --dist loadfile)

soak: setup
	@./scripts/ros-env python -m benchmarks.soak --frames $(FRAMES)

fuzz: setup
	@DIGIT_FUZZ_COUNT=$(COUNT) DIGIT_FUZZ_SEED=$(SEED) ./scripts/ros-env \
		python -m pytest test/fuzz --timeout 0

lint: setup
	@./scripts/ros-env sh -c 'ruff check . && ruff format --check . && mypy'

audit:
	@$(PYTHON) scripts/audit.py

shell: setup
	@./scripts/ros-env "$${SHELL:-/bin/sh}"

retarget:
	@$(PYTHON) -m venv .venv-retarget
	@.venv-retarget/bin/python -m pip install -q -r requirements/retarget.txt -c requirements/lock-retarget.txt

clean:
	rm -rf build build-jazzy install install-jazzy
