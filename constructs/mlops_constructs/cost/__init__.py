"""What a template costs while nobody uses it: plain Python over plain templates."""

from mlops_constructs.cost.estimate import Estimate, Line, estimate
from mlops_constructs.cost.prices import Price, PriceError, PriceTable, read_prices

__all__ = ["Estimate", "Line", "Price", "PriceError", "PriceTable", "estimate", "read_prices"]
