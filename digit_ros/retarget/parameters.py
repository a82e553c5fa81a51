# SPDX-License-Identifier: Apache-2.0
"""The parameters of retarget_node."""

from dataclasses import dataclass

from digit_ros.parameter_table import TEXT, BadParameter, number, one_of, parameter


@dataclass(frozen=True)
class RetargetParameters:
    """The parameters of retarget_node, in the order of the reference."""

    side: str = parameter(
        "right",
        "Side of the person's hand that the robot follows, or both.",
        one_of("right", "left", "both"),
    )
    python: str = parameter(
        "", "Path of a Python interpreter with dex-retargeting; make retarget creates one.", TEXT
    )
    right_config: str = parameter(
        "",
        "dex-retargeting configuration (.yml) of the right robot hand; its urdf_path is relative to"
        " the file's folder.",
        TEXT,
    )
    left_config: str = parameter(
        "", "dex-retargeting configuration (.yml) of the left robot hand.", TEXT
    )
    right_urdf: str = parameter(
        "", "URDF of the right robot hand, in place of the one in right_config.", TEXT
    )
    left_urdf: str = parameter(
        "", "URDF of the left robot hand, in place of the one in left_config.", TEXT
    )
    rate_hz: float = parameter(50.0, "Joint commands a second while engaged.", number(1.0, 500.0))
    max_joint_speed: float = parameter(
        3.0,
        "Highest speed of a joint, in rad/s (m/s for a prismatic joint).",
        number(0.01, 50.0),
        live=True,
    )
    min_confidence: float = parameter(
        0.3,
        "Lowest confidence of a tracked hand; below it the hand counts as lost.",
        number(0.0, 1.0),
        live=True,
    )
    hold_s: float = parameter(
        0.1,
        "Seconds without the hand after which the robot hand stops.",
        number(0.0, 5.0),
        live=True,
    )
    timeout_s: float = parameter(
        0.5,
        "Seconds without the hand after which the robot hand is disengaged.",
        number(0.05, 60.0),
        live=True,
    )
    solver_timeout_s: float = parameter(
        1.0, "Seconds after which a solver that does not answer is ended.", number(0.05, 60.0)
    )

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the hands that are followed."""
        return ("right", "left") if self.side == "both" else (self.side,)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            BadParameter: the interpreter or a configuration is missing.
        """
        if not self.python:
            raise BadParameter(
                "parameter python is empty; expected the path of an interpreter that has"
                " dex-retargeting (make retarget makes .venv-retarget/bin/python)"
            )
        for side in self.sides:
            if not getattr(self, f"{side}_config"):
                raise BadParameter(
                    f"parameter {side}_config is empty; expected dex-retargeting's configuration of"
                    f" the robot hand that follows the {side} hand"
                )
