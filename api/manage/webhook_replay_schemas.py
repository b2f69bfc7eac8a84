"""Bodies of the routes of replays."""

from typing import Annotated, Literal

from pydantic import Field

from api.content.schemas import Strict
from api.manage.schemas import Instant
from gateway.webhooks.replays import MOST_LISTED, RATES_PER_MINUTE


class BulkReplayRequest(Strict):
    """Which deliveries to send again: `delivery_ids`, or all that match the rest."""

    delivery_ids: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Field(min_length=1, max_length=MOST_LISTED, description="Those that are done, whatever became of them."),
    ] = None
    endpoint_id: Annotated[str | None, Field(max_length=64, description="Of this webhook only.")] = None
    events: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Field(min_length=1, max_length=100, description="Of these types only."),
    ] = None
    status: Annotated[
        Literal["failed", "skipped", "delivered"] | None, Field(description="Which became of them. Default: `failed`.")
    ] = None
    since: Annotated[
        Instant | None, Field(alias="from", description="Of events from then on, ISO 8601 with offset.")
    ] = None
    until: Annotated[Instant | None, Field(alias="to", description="Of events before then. Later than now is now.")] = (
        None
    )
    dry_run: Annotated[bool, Field(description="Say what would be sent, and send nothing.")] = False
    rate_per_minute: Annotated[
        int | None,
        Field(
            ge=RATES_PER_MINUTE[0],
            le=RATES_PER_MINUTE[1],
            description="Deliveries queued a minute at most; null: as fast as the webhooks take them.",
        ),
    ] = None
