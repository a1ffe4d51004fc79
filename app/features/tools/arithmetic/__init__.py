"""Exact arithmetic on what people and models write: numbers only, bounded in time and size."""

from app.features.tools.arithmetic.evaluation import Evaluated, evaluate
from app.features.tools.arithmetic.refusal import ExpressionRefused

__all__ = ["Evaluated", "ExpressionRefused", "evaluate"]
