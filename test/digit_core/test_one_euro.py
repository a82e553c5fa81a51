# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from digit_core.one_euro import OneEuro, OneEuroSettings


def run(values: np.ndarray, settings: OneEuroSettings, rate: float = 30, unit: float = 1.0):
    one_euro = OneEuro()
    return np.array([one_euro(v, i / rate, settings, unit) for i, v in enumerate(values)])


def test_the_paper_s_equations_by_hand():
    settings = OneEuroSettings(min_cutoff_hz=1.0, beta=0.5, speed_cutoff_hz=2.0)
    out = run(np.array([[0.0], [1.0]]), settings, rate=10)

    def alpha(cutoff: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff * 0.1))

    speed = alpha(2.0) * 10.0
    assert out[1, 0] == pytest.approx(alpha(1.0 + 0.5 * speed))


def test_stillness_is_smoothed_and_motion_is_followed():
    rng = np.random.default_rng(0)
    settings = OneEuroSettings(min_cutoff_hz=1.0, beta=10.0)
    still = rng.normal(0, 0.01, (300, 1))
    assert run(still, settings)[30:].std() < 0.5 * still[30:].std()
    ramp = np.arange(100)[:, None] / 30 * 2.0  # two units a second
    slow = run(ramp, OneEuroSettings(min_cutoff_hz=1.0, beta=0.0))
    assert (ramp - run(ramp, settings))[-1] < 0.02 < 0.2 < (ramp - slow)[-1]


def test_speed_is_that_of_the_row_in_units():
    """Scaling values and unit together changes nothing, so tuning holds at every image size."""
    rng = np.random.default_rng(1)
    walk = rng.normal(0, 1, (50, 4, 2)).cumsum(axis=0)
    settings = OneEuroSettings()
    assert np.allclose(run(walk, settings) * 100, run(walk * 100, settings, unit=100))
    assert not np.allclose(run(walk, settings) * 100, run(walk * 100, settings, unit=1))


def test_nan_rows_pass_and_start_afresh_without_harm_to_others():
    values = np.zeros((6, 2, 3))
    values[:, 0] = np.arange(6)[:, None]
    values[2, 1] = np.nan
    values[3:, 1] = 7.0
    out = run(values, OneEuroSettings())
    assert np.isnan(out[2, 1]).all() and (out[3:, 1] == 7.0).all()
    assert np.isfinite(out[:, 0]).all() and out[5, 0, 0] < 5


def test_time_that_stands_or_runs_back_starts_afresh():
    one_euro, settings = OneEuro(), OneEuroSettings()
    one_euro(np.array([0.0]), 1.0, settings)
    assert one_euro(np.array([5.0]), 1.0, settings)[0] == 5.0
    assert one_euro(np.array([9.0]), 0.5, settings)[0] == 9.0
