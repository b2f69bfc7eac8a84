"""The parts of inference, put together: for every process that makes calls, be it an API or a worker."""

import asyncio
from dataclasses import dataclass

from gateway.auto_routing import AutoRouter, read_auto_table
from gateway.catalog import Catalog
from gateway.clock import Clock
from gateway.harness.run import Harness
from gateway.harness.using import ToolUses
from gateway.inference.counting import TokenCounter
from gateway.inference.pipeline import InferencePipeline
from gateway.inference.ports import Journal
from gateway.inference.replay import Replays
from gateway.phi.guard import Guard
from gateway.providers.registry import Providers
from gateway.routing.attempts import Limits
from gateway.routing.breaker import Breakers
from gateway.routing.dispatch import Dispatcher
from gateway.routing.health import Health, HealthLog
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Inference:
    """What of one process makes calls. `health` counts how providers answer; somebody has to flush it."""

    guard: Guard
    pipeline: InferencePipeline
    token_counter: TokenCounter
    replays: Replays
    health: Health
    auto: AutoRouter
    harness: Harness
    tool_uses: ToolUses


def composed(
    settings: Settings,
    *,
    journal: Journal,
    health_log: HealthLog,
    catalog: Catalog,
    providers: Providers,
    guard: Guard,
    clock: Clock,
) -> Inference:
    """Inference over opened parts; whoever opened them closes them."""
    breakers = Breakers()
    # The clock that the dispatcher's circuits go by.
    health = Health(health_log, clock, circuits=lambda: breakers.snapshot(asyncio.get_running_loop().time()))
    dispatcher = Dispatcher(
        providers,
        longest_s=settings.upstream_total_timeout_s,
        limits=Limits(retries=settings.upstream_retries),
        breakers=breakers,
        observe=health.observe,
    )
    baa_url = f"{settings.base_url}/v1/compliance/baa"
    pipeline = InferencePipeline(
        catalog=catalog, journal=journal, guard=guard, dispatcher=dispatcher, clock=clock, baa_url=baa_url
    )
    uses = ToolUses(journal=journal, guard=guard, clock=clock)
    return Inference(
        guard=guard,
        pipeline=pipeline,
        token_counter=TokenCounter(catalog=catalog, guard=guard, dispatcher=dispatcher, clock=clock, baa_url=baa_url),
        replays=Replays(catalog, dispatcher),
        health=health,
        auto=AutoRouter(read_auto_table(settings.auto_routing_file), catalog, providers),
        harness=Harness(pipeline, uses, clock),
        tool_uses=uses,
    )
