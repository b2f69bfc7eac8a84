"""Bodies of the routes of agents' credentials."""

from typing import Annotated

from pydantic import Field

from api.content.schemas import Strict
from api.manage.grant_schemas import GrantedScopes
from api.manage.schemas import PRINTABLE, USER, VISIBLE, Instant
from gateway.agents.agent import EXPIRY_HOURS, RevocationPolicy
from gateway.agents.credential import INVOCATIONS, NAME_LENGTH, USUAL_INVOCATIONS
from gateway.tenancy import KeyMode

OVERLAP_S = (0, 7 * 86_400)
USUAL_OVERLAP_S = 3_600


class IssueCredentialRequest(Strict):
    """A new credential. Its token is shown once, in the answer."""

    name: Annotated[
        str,
        Field(
            min_length=NAME_LENGTH[0],
            max_length=NAME_LENGTH[1],
            pattern=VISIBLE,
            description="No blanks around it, and no control or invisible characters.",
        ),
    ]
    description: Annotated[
        str | None,
        Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", description="For people; no control characters."),
    ] = None
    granted_scopes: GrantedScopes
    delegating_user: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=255,
            pattern=USER,
            description="On whose behalf it acts. Required unless the API key has an owner, or an agent hands on.",
        ),
    ] = None
    mode: Annotated[
        KeyMode | None,
        Field(strict=False, description="`test` credentials reach the sandbox only. Default: the caller's mode."),
    ] = None
    expires_at: Annotated[
        Instant | None,
        Field(
            description=f"ISO 8601 with offset, at most {EXPIRY_HOURS[1]} hours ahead."
            " Default: the agent's `default_expiry_hours`."
        ),
    ] = None
    revocation_policy: Annotated[
        RevocationPolicy | None,
        Field(strict=False, description="What becomes of its calls when it is revoked. Default: the agent's."),
    ] = None
    max_concurrent_invocations: Annotated[
        int | None,
        Field(
            ge=INVOCATIONS[0],
            le=INVOCATIONS[1],
            description=f"Calls that may run at once, those below it too. Default: {USUAL_INVOCATIONS}.",
        ),
    ] = None


class RevokeCredentialRequest(Strict):
    """Why it is revoked."""

    reason: Annotated[
        str,
        Field(
            max_length=255,
            pattern=PRINTABLE,
            description="Shown with the credential. Audit log and events repeat a word such as `shift_over` only.",
        ),
    ] = "revoked"


class RotateCredentialRequest(Strict):
    """How long the credential that is replaced may still be used."""

    overlap_seconds: Annotated[
        int, Field(ge=OVERLAP_S[0], le=OVERLAP_S[1], description="Never beyond its own end. 0: no overlap.")
    ] = USUAL_OVERLAP_S
