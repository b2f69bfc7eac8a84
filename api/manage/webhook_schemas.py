"""Bodies of the routes of webhooks."""

from typing import Annotated

from pydantic import Field

from api.content.schemas import Strict
from gateway.outside.target import MAX_URL_CHARS
from gateway.webhooks.endpoints import DEFAULT_OVERLAP_HOURS, OVERLAP_HOURS, RATES_PER_MINUTE

MOST_EVENTS = 100

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL_CHARS,
        description="`https`, on the public Internet, without user, password or fragment.",
    ),
]
Events = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(min_length=1, max_length=MOST_EVENTS, description="Types of events, or `*` for all, later ones too."),
]
Description = Annotated[
    str | None,
    Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", description="For people; no control characters."),
]
RatePerMinute = Annotated[
    int | None,
    Field(
        ge=RATES_PER_MINUTE[0],
        le=RATES_PER_MINUTE[1],
        description="Requests that are sent a minute at most; null: as many as there are.",
    ),
]
IsOrdered = Annotated[
    bool, Field(description="One event at a time, in their order. One that fails holds up those behind it.")
]


class CreateWebhookRequest(Strict):
    """Where to send which events."""

    url: Url
    events: Events
    app_id: Annotated[
        str | None, Field(max_length=64, description="ULID of the app it is for; left out: of the whole organization.")
    ] = None
    description: Description = None
    is_ordered: IsOrdered = False
    rate_per_minute: RatePerMinute = None
    signs_asymmetrically: Annotated[
        bool, Field(description="Sign with an ed25519 key (`v1a`) too, whose public half is answered.")
    ] = False


class ChangeWebhookRequest(Strict):
    """What to change; a field left out stays as it is. A null `description` or `rate_per_minute` takes it away."""

    url: Url | None = None
    events: Events | None = None
    description: Description = None
    is_active: Annotated[
        bool | None, Field(description="False pauses: events wait. True resumes, also what failures had disabled.")
    ] = None
    is_ordered: IsOrdered | None = None
    rate_per_minute: RatePerMinute = None


class RotateWebhookSecretRequest(Strict):
    """How long the secret that is replaced is still signed with."""

    overlap_hours: Annotated[
        int,
        Field(
            ge=OVERLAP_HOURS[0],
            le=OVERLAP_HOURS[1],
            description="Deliveries carry signatures of the old secrets and the new one for so long. 0: no overlap.",
        ),
    ] = DEFAULT_OVERLAP_HOURS
    signs_asymmetrically: Annotated[
        bool | None, Field(description="Whether to sign with an ed25519 key too from now on; null: as before.")
    ] = None


class WebhookTestRequest(Strict):
    """Which event to send an example of."""

    event: Annotated[
        str | None, Field(max_length=64, description="A type of event; null: `webhook_endpoint.test`.")
    ] = None
