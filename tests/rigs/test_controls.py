"""Driver expressions are read as Blender evaluates them, and controls are turned around."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip_rigs.controls import link, solve
from talkclip_rigs.driver_expression import read_expression

FREE = (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("text", "x", "want"),
    [
        ("var", 0.3, 0.3),
        ("var/100", 50, 0.5),
        ("(var - 0.2) / 0.8", 0.6, 0.5),
        ("-var * 2 + 1", 0.25, 0.5),
        ("max(0, var) if var < 0.5 else 1", 0.4, 0.4),
        ("max(0, var) if var < 0.5 else 1", 0.7, 1.0),
        ("clamp(var, 0, 0.5)", 0.8, 0.5),
        ("clamp(var)", 1.7, 1.0),
        ("smoothstep(0, 2, var)", 1.0, 0.5),
        ("lerp(0, 10, var)", 0.3, 3.0),
        ("var ** 2", 3, 9),
        ("degrees(var) / 30", math.radians(15), 0.5),
        ("sin(var * pi)", 0.5, 1.0),
        ("min(var, 1, 2)", 1.5, 1.0),
        ("var > 0.5 and var < 0.8", 0.6, 1.0),
        ("not var", 0.0, 1.0),
        ("0.7", 3, 0.7),
    ],
)
def test_an_expression_has_the_value_python_gives_it(text: str, x: float, want: float) -> None:
    function = read_expression(text, "var")
    assert function is not None
    np.testing.assert_allclose(function(np.array([x, x])), want, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    ["frame", "self.location.x", "var.real", "foo(var)", "__import__('os')", "var +", "[var]", "'a'", "var if", "other",
     "lambda: var", "min(x=var)", "var * " * 60 + "1", ""],
)  # fmt: skip
def test_what_is_not_arithmetic_is_not_read(text: str) -> None:
    assert read_expression(text, "var") is None


@given(st.floats(-50, 50), st.floats(0.01, 50), st.booleans(), st.floats(0, 1))
def test_a_scaled_and_shifted_control_gives_the_shape_exactly(
    at: float, scale: float, minus: bool, want: float
) -> None:
    slope = -scale if minus else scale
    found = link(lambda x: (x - at) * slope, 0.0, FREE)
    assert found is not None and found.low <= 0 <= found.high
    solution = solve([found], np.array([[0.0, want, 1.0]]), 0.0)
    np.testing.assert_allclose((solution.values - at) * slope, [0, want, 1], atol=2e-4)


@pytest.mark.parametrize(
    ("text", "bounds", "rest"),
    [("var", (0, 1), 0), ("var/100", (0, 100), 0), ("max(0, (var-0.2)/0.8)", (0, 1), 0), ("-var/0.03", FREE, 0),
     ("1 - var", (0, 1), 0), ("smoothstep(0, 1, var)", (0, 1), 0), ("2*(var-1)", FREE, 1), ("var**2", FREE, 0),
     ("degrees(var)/25", FREE, 0)],
)  # fmt: skip
def test_the_usual_drivers_can_be_followed_to_a_thousandth(text: str, bounds: tuple[float, float], rest: float) -> None:
    response = read_expression(text, "var")
    found = link(response, rest, bounds)
    wanted = np.linspace(0, 1, 77)[None]
    solution = solve([found], wanted, rest)
    np.testing.assert_allclose(response(solution.values), wanted[0], atol=2e-3)
    assert solution.off[0] < 2e-3
    assert bounds[0] <= solution.values.min() and solution.values.max() <= bounds[1]


def test_a_resting_shape_leaves_its_control_at_rest() -> None:
    """max(0, x) is 0 for all x below 0; the control must not wander there."""
    found = link(lambda x: np.maximum(0, x), 0.0, (-1, 1))
    assert solve([found], np.zeros((1, 3)), 0.0).values == pytest.approx([0, 0, 0])
    assert found.low == pytest.approx(0)


def test_what_does_not_move_the_shape_or_cannot_reach_it_is_said() -> None:
    assert link(lambda x: np.full_like(x, 0.3), 0.0, FREE) is None
    half = link(lambda x: x / 2, 0.0, (0, 1))
    assert (half.low, half.high) == pytest.approx((0, 1)) and half.most == pytest.approx(0.5)
    solution = solve([half], np.array([[0.2, 0.9]]), 0.0)
    assert solution.values == pytest.approx([0.4, 1.0]) and solution.off[0] == pytest.approx(0.4)


def test_one_control_of_two_opposite_shapes() -> None:
    smile, frown = (link(lambda x, s=s: np.maximum(0, s * x), 0.0, (-1, 1)) for s in (1, -1))
    wanted = np.array([[0.8, 0.0, 0.6], [0.0, 0.5, 0.2]])
    solution = solve([smile, frown], wanted, 0.0)
    assert solution.values[:2] == pytest.approx([0.8, -0.5])
    # Both wanted: the nearer of the two wins, sum of squares (0, 0.2) rather than (0.6, 0).
    assert solution.values[2] == pytest.approx(0.6) and solution.off == pytest.approx([0.0, 0.2])


def test_one_control_of_several_alike_takes_the_least_squares_value() -> None:
    links = [link(lambda x, g=g: g * x, 0.0, (0, 2)) for g in (1.0, 0.5)]
    rng = np.random.default_rng(1)
    wanted = rng.uniform(0, 1, (2, 4000))
    solution = solve(links, wanted, 0.0)
    np.testing.assert_allclose(solution.values, np.clip((wanted[0] + 0.5 * wanted[1]) / 1.25, 0, 2), atol=1e-6)
