"""Control models: what they are trained on, and the comparison with them."""

from edge2torch.control.comparison import Comparison, between, compare, expect
from edge2torch.control.inputs import deterministic_inputs, profiles, shuffle

__all__ = ["Comparison", "between", "compare", "deterministic_inputs", "expect", "profiles", "shuffle"]
