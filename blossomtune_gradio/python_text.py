"""Numbers in text that Python printed: `{'loss': 0.25, 'auc': nan, 'f1': np.float64(0.5)}`.

`ast.literal_eval` knows neither nan and inf nor numpy's numbers. Nothing is executed here: the
text is parsed, and of the tree only literals are looked at.
"""

from __future__ import annotations

import ast
import math

_NAMES = {"nan": math.nan, "inf": math.inf}
_LONGEST = 100_000
_DEEPEST = 20


def python_value(text: str) -> object:
    """The dict, list, tuple, number or string; None when it is anything else."""
    if len(text) > _LONGEST:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _value(tree.body, 0)


def _value(node: ast.expr, depth: int) -> object:
    if depth > _DEEPEST:
        return None
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = _value(operand, depth + 1)
            return -number if isinstance(number, int | float) else None
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np")), args=[inner], keywords=[]):
            return _value(inner, depth + 1)
        case ast.List(elts=parts):
            return [_value(part, depth + 1) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part, depth + 1) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return {
                key.value: _value(value, depth + 1)
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant)
            }
    return None
