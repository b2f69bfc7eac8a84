"""Bodies of the routes of agents, and what they ask for."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, Field

from api.content.schemas import Strict
from api.manage.schemas import PRINTABLE, USER, VISIBLE
from gateway.agents.agent import (
    EXPIRY_HOURS,
    LONGEST_CAPABILITY,
    LONGEST_DESCRIPTION,
    MOST_CAPABILITIES,
    NAME_LENGTH,
    AgentChanges,
    NewAgent,
    RevocationPolicy,
)
from gateway.agents.grants import GrantType
from gateway.catalog import Catalog
from gateway.credits.budget import LARGEST_CAP
from gateway.errors import ValidationFailedError

MOST_MODELS = 100
_NEVER_NULL = frozenset({"name", "capabilities", "default_expiry_hours", "default_revocation_policy"})

Name = Annotated[
    str,
    Field(
        min_length=NAME_LENGTH[0],
        max_length=NAME_LENGTH[1],
        pattern=VISIBLE,
        description="No other agent of the organization has it, in whatever case. No blanks around it, and no control"
        " or invisible characters.",
    ),
    # What looks alike is one name.
    AfterValidator(partial(normalize, "NFC")),
]
Description = Annotated[
    str | None,
    Field(
        max_length=LONGEST_DESCRIPTION,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*$",
        description="For people; no control characters.",
    ),
]
Owner = Annotated[
    str | None, Field(min_length=1, max_length=255, pattern=USER, description="The user who answers for it.")
]
Capabilities = Annotated[
    list[Annotated[str, Field(max_length=LONGEST_CAPABILITY, pattern=PRINTABLE)]],
    Field(max_length=MOST_CAPABILITIES, description="What it can do, in words of your own. They permit nothing."),
]
DefaultExpiryHours = Annotated[
    int, Field(ge=EXPIRY_HOURS[0], le=EXPIRY_HOURS[1], description="Life of a credential that is issued without one.")
]
DefaultRevocationPolicy = Annotated[
    RevocationPolicy,
    Field(strict=False, description="Of credentials issued without one: running calls finish, or are cut."),
]
AllowedScopeTypes = Annotated[
    list[Annotated[GrantType, Field(strict=False)]] | None,
    Field(
        max_length=len(GrantType),
        description="Types of grants that it may be issued from now on. Null: all; empty: none.",
    ),
]
AllowedModels = Annotated[
    list[Annotated[str, Field(max_length=128)]] | None,
    Field(max_length=MOST_MODELS, description="Ids of models that it may call. Null: all; empty: none."),
]
CreditCap = Annotated[
    int | None,
    Field(
        ge=0,
        le=LARGEST_CAP,
        description="Credits that its credentials may spend together in a billing period. Null: no cap of its own.",
    ),
]


class CreateAgentRequest(Strict):
    """A new agent. It may do nothing until it is issued a credential."""

    name: Name
    description: Description = None
    owner: Owner = None
    capabilities: Annotated[Capabilities, Field(default_factory=list[str])]
    default_expiry_hours: DefaultExpiryHours
    default_revocation_policy: DefaultRevocationPolicy
    allowed_scope_types: AllowedScopeTypes = None
    allowed_models: AllowedModels = None
    credit_cap: CreditCap = None


class ChangeAgentRequest(Strict):
    """What to change; a field left out stays as it is.

    A null `description`, `owner`, `allowed_scope_types`, `allowed_models` or `credit_cap` takes it away.
    """

    name: Name | None = None
    description: Description = None
    owner: Owner = None
    capabilities: Capabilities | None = None
    default_expiry_hours: DefaultExpiryHours | None = None
    default_revocation_policy: DefaultRevocationPolicy | None = None
    allowed_scope_types: AllowedScopeTypes = None
    allowed_models: AllowedModels = None
    credit_cap: CreditCap = None


def new_agent(wanted: CreateAgentRequest, catalog: Catalog) -> NewAgent:
    """Raises `ValidationFailedError` for the first model that the catalog does not have; retired ones it has."""
    return NewAgent(
        name=wanted.name,
        description=wanted.description or None,
        owner=wanted.owner,
        capabilities=_each_once(wanted.capabilities),
        default_expiry_hours=wanted.default_expiry_hours,
        default_revocation_policy=wanted.default_revocation_policy,
        allowed_scope_types=_scope_types(wanted),
        allowed_models=_models(wanted, catalog),
        credit_cap=wanted.credit_cap,
    )


def changes_of(wanted: ChangeAgentRequest, catalog: Catalog) -> AgentChanges:
    """What was sent. Raises `ValidationFailedError` for a null that cannot be, and as `new_agent` does."""
    for name in sorted(_NEVER_NULL & wanted.model_fields_set):
        if getattr(wanted, name) is None:
            raise ValidationFailedError(f"`{name}` cannot be null.", param=name)
    return _told(wanted) | _limited(wanted, catalog)


def _told(wanted: ChangeAgentRequest) -> AgentChanges:
    """Who it is, and what its credentials are unless somebody says otherwise."""
    sent, changes = wanted.model_fields_set, AgentChanges()
    if wanted.name is not None:
        changes["name"] = wanted.name
    if wanted.capabilities is not None:
        changes["capabilities"] = _each_once(wanted.capabilities)
    if wanted.default_expiry_hours is not None:
        changes["default_expiry_hours"] = wanted.default_expiry_hours
    if wanted.default_revocation_policy is not None:
        changes["default_revocation_policy"] = wanted.default_revocation_policy
    if "description" in sent:
        changes["description"] = wanted.description or None
    if "owner" in sent:
        changes["owner"] = wanted.owner
    return changes


def _limited(wanted: ChangeAgentRequest, catalog: Catalog) -> AgentChanges:
    """What it may be given and may spend; null is no limit."""
    sent, changes = wanted.model_fields_set, AgentChanges()
    if "allowed_scope_types" in sent:
        changes["allowed_scope_types"] = _scope_types(wanted)
    if "allowed_models" in sent:
        changes["allowed_models"] = _models(wanted, catalog)
    if "credit_cap" in sent:
        changes["credit_cap"] = wanted.credit_cap
    return changes


def _each_once(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


def _scope_types(wanted: CreateAgentRequest | ChangeAgentRequest) -> tuple[str, ...] | None:
    given = wanted.allowed_scope_types
    return None if given is None else _each_once(each.value for each in given)


def _models(wanted: CreateAgentRequest | ChangeAgentRequest, catalog: Catalog) -> tuple[str, ...] | None:
    """Ids of models, also where other names of theirs were sent."""
    if wanted.allowed_models is None:
        return None
    found: list[str] = []
    for index, name in enumerate(wanted.allowed_models):
        model, param = catalog.find(name), f"allowed_models[{index}]"
        if model is None:
            raise ValidationFailedError(f"`{param}` is not a model that there is.", param=param)
        found.append(model.id)
    return _each_once(found)
