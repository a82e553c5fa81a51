# SPDX-License-Identifier: Apache-2.0
"""The parameters of retarget_node."""

from dataclasses import dataclass

from digit_ros.parameter_table import TEXT, BadParameter, number, one_of, parameter


@dataclass(frozen=True)
class RetargetParameters:
    """What retarget_node was told; see each row's description."""

    side: str = parameter(
        "right", "Which of the person's hands are followed.", one_of("right", "left", "both")
    )
    python: str = parameter(
        "", "Path of the Python interpreter that has dex-retargeting (`make retarget`).", TEXT
    )
    right_config: str = parameter(
        "", "dex-retargeting's configuration file (.yml) of the robot hand that follows.", TEXT
    )
    left_config: str = parameter("", "The same for the left hand.", TEXT)
    right_urdf: str = parameter(
        "", "URDF in place of the one that right_config names, beside it.", TEXT
    )
    left_urdf: str = parameter("", "The same for the left hand.", TEXT)
    rate_hz: float = parameter(50.0, "Commands a second while engaged.", number(1.0, 500.0))
    max_joint_speed: float = parameter(
        3.0, "Most that a joint moves, rad/s (m/s where it slides).", number(0.01, 50.0), live=True
    )
    min_confidence: float = parameter(
        0.3, "A hand of less confidence counts as lost.", number(0.0, 1.0), live=True
    )
    hold_s: float = parameter(
        0.1,
        "Without the hand for so long the robot hand stands still.",
        number(0.0, 5.0),
        live=True,
    )
    timeout_s: float = parameter(
        0.5, "Without the hand for so long it is disengaged.", number(0.05, 60.0), live=True
    )
    solver_timeout_s: float = parameter(
        1.0, "A solver that has not answered for so long is ended.", number(0.05, 60.0)
    )

    @property
    def sides(self) -> tuple[str, ...]:
        """The hands that are followed."""
        return ("right", "left") if self.side == "both" else (self.side,)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            BadParameter: the interpreter or a robot hand is not named.
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
