"""A pipeline to take calls through, and who calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.catalog import Catalog, Model, PriceChange, shipped_catalog
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.ids import AcceptanceId, ApiKeyId, OrganizationId
from gateway.inference.call import Call
from gateway.inference.pipeline import InferencePipeline
from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard
from gateway.routing.attempts import Limits
from gateway.routing.dispatch import Dispatcher
from gateway.tenancy import Access, Agreement, KeyMode, Policy, Principal, Scope
from tests.tenants import COVERS
from tests.unit.inference.ports import FakeDetector, FakeJournal, FakeProviders, ScriptedProvider, Steps

NOW = datetime.now(UTC)
AGREEMENT = Agreement(AcceptanceId("01"), frozenset(COVERS), NOW - timedelta(days=1), None)
PERSON = Span(0, 5, Entity.PERSON, 900)
WHOLE_WAY = ["open", "scan", "provider", "scan", "close:completed"]


def access(**policy: object) -> Access:
    principal = Principal(OrganizationId("org"), ApiKeyId("key"), frozenset({Scope.AI_CHAT}), KeyMode.LIVE)
    return Access(principal, replace(Policy(agreement=AGREEMENT), **policy))  # pyright: ignore[reportArgumentType]


@dataclass
class Bench:
    """A pipeline over fakes that share one list of steps."""

    spans: tuple[Span, ...] = ()
    in_answer: tuple[Span, ...] = ()
    detector_broken: bool = False
    broken_at_answer: bool = False
    failing: dict[str, GatewayError] = field(default_factory=dict[str, GatewayError])
    provider_error: Exception | None = None
    breaks_after: int | None = None
    equivalents: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    price_changes: Mapping[str, tuple[PriceChange, ...]] = field(default_factory=dict[str, tuple[PriceChange, ...]])
    credits_left: int | None = None

    def __post_init__(self) -> None:
        self.steps = Steps()
        self.journal = FakeJournal(self.steps, failing=self.failing, credits_left=self.credits_left)
        self.provider = ScriptedProvider(self.steps, error=self.provider_error, breaks_after=self.breaks_after)
        self.pipeline = InferencePipeline(
            catalog=self._catalog(),
            journal=self.journal,
            guard=Guard(
                FakeDetector(
                    self.steps,
                    spans=self.spans,
                    in_answer=self.in_answer,
                    broken=self.detector_broken,
                    broken_at_answer=self.broken_at_answer,
                )
            ),
            dispatcher=Dispatcher(FakeProviders(self.provider), longest_s=60, limits=Limits(retries=0)),
            clock=SystemClock(),
            baa_url="https://gateway.example/baa",
        )

    def _catalog(self) -> Catalog:
        found = shipped_catalog()
        return Catalog(map(self._model, found), found.providers)

    def _model(self, model: Model) -> Model:
        return model.model_copy(
            update={
                "equivalents": self.equivalents.get(model.id, ()),
                "price_changes": self.price_changes.get(model.id, ()),
            }
        )

    async def refused(self, call: Call, kind: type[GatewayError]) -> list[str]:
        """The steps taken until `kind` was raised, the same for a whole answer and a stream."""
        with pytest.raises(kind):
            await self.pipeline.complete(call)
        streamed = replace(self)
        with pytest.raises(kind):
            await streamed.pipeline.stream(call)
        assert streamed.steps == self.steps
        return list(self.steps)
