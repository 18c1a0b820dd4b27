"""Finds which optimizer moments in Cerebras' checkpoints belong to which parameter.

bertkit's own runs store moments by parameter name, `optimizer.NAME.exp_avg`. The model zoo
stores torch's form, `optimizer.state.NUMBER.exp_avg`. Its `configure_param_groups` makes two
groups, parameters with weight decay and then biases and layer norms, each in the order of
the model; files of 2.x releases say that order, and the sizes of the groups, in a JSON
attribute, by which the numbers are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from torch import Tensor

from bertkit.model.checkpoints.contents import CheckpointContents, no_optimizer_state
from bertkit.model.parameter_names import has_weight_decay, in_optimizer_order, tied_parameter

SLOT = re.compile(r"optimizer\.(?:state\.(\d{1,6})|(.+))\.(exp_avg|exp_avg_sq)")


def add_moments(
    contents: CheckpointContents,
    slots: Mapping[str, Tensor],
    structure: object,
    our_name: Callable[[str], str],
) -> None:
    """Assign moments to the weights of a checkpoint.

    Args:
        contents: with all weights.
        slots: name in the file, of the form `SLOT`, → tensor.
        structure: the file's own description of its content, JSON; None where it has none.
        our_name: a name of Cerebras' under ours.

    Raises:
        DataError: there are none, or nothing says whose they are.
    """
    if not slots:
        raise no_optimizer_state(contents.path)
    matches = {name: SLOT.fullmatch(name) for name in slots}
    numbers = [int(match[1]) for match in matches.values() if match and match[1]]
    names = _numbered(contents, structure, our_name) if numbers else []
    if numbers and max(numbers) >= len(names):
        raise no_optimizer_state(
            contents.path, f"its optimizer has more than {len(names)} parameters"
        )
    for name, match in matches.items():
        assert match is not None
        target = names[int(match[1])] if match[1] else tied_parameter(our_name(match[2]))
        contents.add_checked_moment(name, slots[name], target, match[3])


def _numbered(
    contents: CheckpointContents, structure: object, our_name: Callable[[str], str]
) -> list[str]:
    """Our names of the parameters, by the optimizer's numbers."""
    try:
        tree = json.loads(structure)[0]  # type: ignore[arg-type]
        order = [our_name(name) for name in tree["model"]]
        sizes = [len(group["params"]) for group in tree["optimizer"]["param_groups"]]
    except (TypeError, ValueError, KeyError, IndexError, RecursionError) as error:
        why = "does not say in which order its optimizer numbers parameters, as 2.x releases do"
        raise no_optimizer_state(contents.path, why) from error
    known = (name for name in map(tied_parameter, order) if name in contents.weights)
    names = in_optimizer_order(dict.fromkeys(known))
    decaying = sum(map(has_weight_decay, names))
    if sizes != [decaying, len(names) - decaying]:
        why = "its optimizer's groups of parameters are not those of Cerebras' model zoo"
        raise no_optimizer_state(contents.path, why)
    return names
