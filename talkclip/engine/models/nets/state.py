"""Weights into modules: everything must fit, and one error names all that does not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from talkclip.errors import InputError


def state_problems(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]) -> list[str]:
    """Every missing key, every unexpected key and every wrong shape, one phrase each."""
    problems = [f"missing {key}" for key in expected if key not in found]
    problems += [f"unexpected {key}" for key in found if key not in expected]
    problems += [
        f"{key} is {tuple(found[key].shape)}, not {shape}"
        for key, shape in expected.items()
        if key in found and tuple(found[key].shape) != shape
    ]
    return problems


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Fill `module` with `state`.

    Raises:
        InputError: names `where` and every key that is missing, unexpected or of another shape.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    require_fit(state_problems(expected, state), where)
    module.load_state_dict(dict(state))


def require_fit(problems: list[str], where: str) -> None:
    """Raise one InputError for all problems, if there are any."""
    if problems:
        raise InputError(
            f"{where}: the weights do not fit: {'; '.join(problems)}.",
            "Check that file and configuration belong together.",
        )
