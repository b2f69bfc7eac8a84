"""Models and providers as data: what this version ships with, and what the operator's file adds."""

from gateway.catalog.catalog import Catalog
from gateway.catalog.model import Ability, Effort, Model, Tier
from gateway.catalog.prices import PriceChange, Prices
from gateway.catalog.provider import Dialect, ProviderSpec
from gateway.catalog.reading import CatalogError, read_catalog, shipped_catalog

__all__ = [
    "Ability",
    "Catalog",
    "CatalogError",
    "Dialect",
    "Effort",
    "Model",
    "PriceChange",
    "Prices",
    "ProviderSpec",
    "Tier",
    "read_catalog",
    "shipped_catalog",
]
