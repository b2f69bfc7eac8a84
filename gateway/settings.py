"""Configuration, read once by each composition root from `HASP_*` environment variables.

`docs/configuration.md` is the table for operators; a test holds the two together.
"""

from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PostgresDsn,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.baa.template import Cover
from gateway.phi.ner.backends import Backend
from gateway.webhooks.ladder import DEFAULT_WAITS_S, check_waits


class Settings(BaseSettings):
    """Every knob of the API, the worker and the command line. Unknown `HASP_` names are ignored, empty ones unset."""

    model_config = SettingsConfigDict(
        env_prefix="HASP_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # URLs of the database hold its password: `repr` leaves them out.
    database_url: PostgresDsn = Field(
        repr=False, description="PostgreSQL, as the application's own role (no DDL, no superuser)."
    )
    database_owner_url: PostgresDsn | None = Field(
        default=None, repr=False, description="PostgreSQL, as the schema's owner; only `hasp migrate` uses it."
    )
    database_pool_size: int = Field(default=8, ge=2, le=200, description="Connections per process.")
    keyring_file: Path = Field(description="JSON file of root keys, peppers and codec keys; mode 0600.")
    vault_address: str | None = Field(
        default=None,
        description="Vault server whose Transit engine wraps data keys; unset: the keyring's root keys do.",
    )
    vault_token: SecretStr | None = Field(default=None, description="Token for `vault_address`.")
    vault_transit_key: str = Field(default="hasp-root", description="Transit key name that wraps data keys.")

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(default=8080, ge=1, le=65535, description="Port the API listens on.")
    api_workers: int = Field(default=1, ge=1, le=64, description="API processes.")
    public_url: str | None = Field(
        default=None, description="Base URL customers see, used in links; unset: the API's own host and port."
    )
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024, description="Largest request body (413 above).")

    strict_key_scopes: bool = Field(
        default=False,
        description="Keys are created, changed, rotated, revoked only with `control:write`, and within its reach.",
    )

    harness_takes_bearer: bool = Field(
        default=False,
        description="`/v1/chat/*`, `/v1/app/*`, `/v1/files/*` and `/v1/workflows/*` take keys as bearer tokens too.",
    )

    temporal_address: str = Field(default="127.0.0.1:7233", description="Temporal frontend, host:port.")
    temporal_namespace: str = Field(default="hasp", description="Temporal namespace of every workflow.")
    temporal_ui_url: str | None = Field(default=None, description="Temporal's UI, for links shown to operators.")
    worker_health_port: int = Field(default=8081, ge=0, le=65535, description="Worker's /livez and /readyz; 0: none.")
    worker_drain_s: int = Field(default=30, ge=0, description="Seconds a stopping worker lets activities finish.")

    sandbox_url: str | None = Field(
        default=None, description="Stand-in upstream for test keys, and for live keys of a vendor without a key."
    )
    anthropic_api_key: SecretStr | None = Field(default=None, description="Key for Anthropic; unset: sandbox.")
    anthropic_base_url: str = Field(default="https://api.anthropic.com", description="Anthropic's API.")
    openai_api_key: SecretStr | None = Field(default=None, description="Key for OpenAI; unset: sandbox.")
    openai_base_url: str = Field(default="https://api.openai.com", description="OpenAI's API.")
    catalog_file: Path | None = Field(
        default=None, description="JSON file of further providers and models; read again when it changes."
    )
    catalog_poll_s: float = Field(default=2.0, gt=0, description="How often to look whether `catalog_file` changed.")
    upstream_retries: int = Field(default=2, ge=0, le=5, description="Further tries of a call that nobody answered.")
    upstream_connect_timeout_s: float = Field(default=5.0, gt=0, description="To connect to a provider.")
    upstream_first_byte_timeout_s: float = Field(default=120.0, gt=0, description="To the first byte of a stream.")
    upstream_idle_timeout_s: float = Field(default=60.0, gt=0, description="Between two bytes of a stream.")
    upstream_total_timeout_s: float = Field(default=600.0, gt=0, description="For one provider call in all.")

    auto_routing_file: Path | None = Field(
        default=None, description='JSON table of what `model: "auto"` chooses from; unset: the shipped one.'
    )
    auto_on_compatible_routes: bool = Field(
        default=False, description='`model: "auto"` is taken on `/v1/openai/*` and `/v1/anthropic/*` too.'
    )
    claude_version_fallback: bool = Field(
        default=False,
        description="`/v1/anthropic/*` answers for a Claude that is not here with its family's newest; off: 404.",
    )

    tiers_file: Path | None = Field(
        default=None, description="JSON file of further tiers of rate limits, or of other numbers for those there are."
    )
    valkey_url: str | None = Field(
        default=None,
        repr=False,
        pattern=r"^valkeys?(\+(unix|sentinel|cluster))?://",
        description="Valkey that keeps the state of rate limits; unset: PostgreSQL does.",
    )

    hold_lease_s: int = Field(default=60, ge=5, description="Life of a credit hold; renewed while its call runs.")
    hold_sweep_s: int = Field(default=30, ge=1, description="Period of the sweep that expires dead holds.")
    key_notices_s: int = Field(default=300, ge=1, description="Period of the look for keys that expire, to tell of it.")

    webhook_timeout_s: float = Field(default=10.0, gt=0, le=45, description="For a receiver of a webhook to answer.")
    webhook_allow_private: bool = Field(
        default=False,
        description="Webhooks may go to any host by `http`, this machine too. For local development only.",
    )

    webhook_ladder: list[float] = Field(
        default_factory=lambda: [*DEFAULT_WAITS_S],
        description="JSON list of the seconds to wait between the tries of a webhook's delivery.",
    )
    webhook_keep_days: int = Field(
        default=30, ge=7, le=365, description="Days that events, their deliveries and finished replays are kept."
    )
    webhook_shards: int = Field(default=2, ge=1, le=64, description="Dispatchers that webhook endpoints are shared by.")

    default_model: str | None = Field(
        default=None, description="Model of `/v1/chat/completions` where a request names none; unset: it has to."
    )
    search_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Search server behind the tool `web_search`; unset: there is none. A SearXNG's ends in `/search`.",
    )
    search_kind: Literal["searxng", "json"] = Field(
        default="searxng", description="How `search_url` is asked; see docs/operations/tools.md."
    )
    search_api_key: SecretStr | None = Field(default=None, description="Bearer token for `search_url`.")
    web_fetch: bool = Field(default=False, description="Whether there is a tool that reads pages of the Internet.")
    code_runner_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Sandboxed runner behind the tool `code_execution`; unset: there is none.",
    )
    code_runner_token: SecretStr | None = Field(default=None, description="Bearer token for `code_runner_url`.")
    embeddings_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Server that `knowledge_search` compares meanings by, in OpenAI's format; unset: words alone.",
    )
    embeddings_model: str | None = Field(
        default=None,
        max_length=128,
        validate_default=True,
        description="Model that `embeddings_url` is asked for; goes with it.",
    )
    embeddings_api_key: SecretStr | None = Field(default=None, description="Bearer token for `embeddings_url`.")
    mcp_servers_file: Path | None = Field(
        default=None, description="JSON file of MCP servers whose tools are run here; read again when it changes."
    )
    tool_surcharges: dict[str, NonNegativeInt] = Field(
        default_factory=dict[str, int], description="JSON object: credits that a use of a tool costs, by its name."
    )
    tool_timeouts_s: dict[str, PositiveFloat] = Field(
        default_factory=dict[str, float], description="JSON object: seconds that a use of a tool may take, by its name."
    )

    provider_probe_s: int = Field(
        default=60, ge=10, le=240, description="Period of the probe that asks whether providers answer."
    )

    tsa_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="RFC 3161 authority that time-stamps audit checkpoints and agreements; exports name it if `https`.",
    )
    tsa_cacert_url: str | None = Field(
        default=None,
        pattern=r"^https://",
        validate_default=True,
        description="Where strangers find the authority's root (`https`); goes with `tsa_url`.",
    )
    tsa_ca_file: Path | None = Field(
        default=None, description="PEM file of the authority's root: a stamp that it does not vouch for is not kept."
    )

    phi_scanners: int = Field(default=2, ge=1, le=16, description="PHI scanner processes per API process.")
    phi_scan_timeout_s: float = Field(default=30.0, gt=0, description="A scan that takes longer fails closed (503).")
    phi_ner: Backend = Field(
        default="rampart",
        description="Model behind the PHI rules, for names they do not know; `spacy` and `presidio` are extras.",
    )

    baa_operator_name: str | None = Field(
        default=None, description="Legal name of whoever runs this gateway: the business associate in agreements."
    )
    baa_countersigner: str | None = Field(default=None, description="Who signs agreements for the operator.")
    baa_countersigner_title: str = Field(default="Authorized representative", description="In which capacity.")
    baa_signing_key_file: Path | None = Field(
        default=None, description="PEM key that seals agreements; unset: the self-signed pair beside the keyring."
    )
    baa_signing_cert_file: Path | None = Field(
        default=None, description="PEM certificate of `baa_signing_key_file`, followed by those up to its root."
    )
    baa_signing_passphrase_file: Path | None = Field(
        default=None, description="File with the passphrase of `baa_signing_key_file`, if it has one."
    )
    baa_fonts: Path | None = Field(
        default=None, description="Folder of further fonts, for names in scripts that agreements cannot show otherwise."
    )
    baa_covers: list[Cover] = Field(
        default_factory=lambda: [*Cover], description="JSON list of upstream covers that acceptances extend to."
    )
    baa_term_days: int | None = Field(
        default=None, ge=1, le=3650, description="Days that an agreement lasts; unset: until terminated or replaced."
    )
    baa_reaccept_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days that agreements of an older text stay in force once a new one came.",
    )

    tombstones_file: Path | None = Field(
        default=None,
        description="File outside the database that names who was erased, by id: a restored dump is held to it.",
    )
    backup_keep_days: int = Field(
        default=30, ge=0, le=36_500, description="Days that copies of the database are kept; certificates go by it."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    @field_validator("sandbox_url", "anthropic_base_url", "openai_base_url", "public_url", "vault_address")
    @classmethod
    def _without_trailing_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @field_validator("tsa_cacert_url")
    @classmethod
    def _goes_with_its_authority(cls, url: str | None, known: ValidationInfo) -> str | None:
        if (url is None) != (known.data.get("tsa_url") is None):
            raise PydanticCustomError("unpaired", "goes with HASP_TSA_URL, and that with it")
        return url

    @field_validator("embeddings_model")
    @classmethod
    def _goes_with_its_server(cls, model: str | None, known: ValidationInfo) -> str | None:
        if (model is None) != (known.data.get("embeddings_url") is None):
            raise PydanticCustomError("unpaired", "goes with HASP_EMBEDDINGS_URL, and that with it")
        return model

    @field_validator("webhook_ladder")
    @classmethod
    def _is_a_ladder(cls, waits_s: list[float]) -> list[float]:
        check_waits(waits_s)
        return waits_s

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.api_host}:{self.api_port}"
