"""`hasp webhook`: webhooks of any organisation, for operators."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import OrgOption, organization, with_storage
from cli.failure import CommandError
from gateway.errors import ValidationFailedError
from gateway.ids import EndpointId, find_ulid
from gateway.paging import MAX_LIMIT

if TYPE_CHECKING:
    from gateway.webhooks.endpoints import Endpoint
    from storage import Storage

app = typer.Typer(help="Webhooks.", no_args_is_help=True)

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]


@app.command("list")
def list_webhooks(org: OrgOption) -> None:
    """Print each webhook that is not deleted as one line of JSON, newest first. Of its URL only the host is shown."""
    org_id = organization(org)

    async def show(storage: "Storage") -> None:
        from gateway.audit import AuditAction

        async with storage.as_operator(org_id, command="webhook.list") as tx:
            await tx.organization.get()
            page = await tx.webhooks.page(cursor=None, limit=MAX_LIMIT)
            tx.audit(AuditAction.WEBHOOK_ENDPOINT_LISTED, entity_type="organization", entity_id=org_id)
        for endpoint in page.items:
            print(json.dumps(_shown(endpoint)))

    with_storage(show)


@app.command("disable")
def disable(webhook: WebhookArgument, org: OrgOption) -> None:
    """Send nothing there until it is enabled: its events wait."""
    _set_active(webhook, org, command="webhook.disable", is_active=False)


@app.command("enable")
def enable(webhook: WebhookArgument, org: OrgOption) -> None:
    """Send there again, whoever disabled it. What was skipped meanwhile can be replayed."""
    _set_active(webhook, org, command="webhook.enable", is_active=True)


@app.command("test")
def try_out(
    webhook: WebhookArgument,
    org: OrgOption,
    event: Annotated[str | None, typer.Option(help="The event to send an example of.")] = None,
) -> None:
    """Have an example sent to this webhook alone, and print the delivery's id."""
    endpoint_id, org_id, kind = _endpoint_id(webhook), organization(org), _kind(event)

    async def send(storage: "Storage") -> str:
        from storage.webhooks.acts import send_test

        async with storage.as_operator(org_id, command="webhook.test") as tx:
            return await send_test(tx, endpoint_id, kind)

    print(with_storage(send))


def _set_active(webhook: str, org: str, *, command: str, is_active: bool) -> None:
    endpoint_id, org_id = _endpoint_id(webhook), organization(org)

    async def change(storage: "Storage") -> None:
        from storage.webhooks.acts import change_endpoint

        async with storage.as_operator(org_id, command=command) as tx:
            await change_endpoint(tx, endpoint_id, {"is_active": is_active})

    with_storage(change)


def _kind(event: str | None) -> str:
    from gateway.events import EventType
    from gateway.webhooks.endpoints import read_event

    try:
        return read_event("--event", event) if event else EventType.WEBHOOK_ENDPOINT_TEST.value
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None


def _shown(endpoint: "Endpoint") -> dict[str, object]:
    from yarl import URL

    return {
        "id": endpoint.id,
        "host": URL(endpoint.url).host,
        "events": [*endpoint.events],
        "state": endpoint.state.value,
        "disabled_because": endpoint.disabled_because.value if endpoint.disabled_because else None,
        "is_ordered": endpoint.is_ordered,
        "rate_per_minute": endpoint.rate_per_minute,
        "created_at": endpoint.created_at.isoformat(),
    }


def _endpoint_id(given: str) -> EndpointId:
    ulid = find_ulid(given)
    if ulid is None:
        raise CommandError("WEBHOOK is not a webhook's id; `hasp webhook list` shows them")
    return EndpointId(ulid)
