"""`hasp org policy` on a real database."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.operator import operator
from gateway.inference.records import AuditFilter
from gateway.organization_policy import OrganizationPolicy
from gateway.phi.findings import Entity
from gateway.phi.screening import Profile
from gateway.settings import Settings
from gateway.tenancy import KeyMode, PhiMode, Principal, StorageMode
from storage import Storage
from tests.commands import run_hasp
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

NAME = "Zachary Quillfeather"


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def change(environ: dict[str, str], tenant: Tenant, *options: str) -> subprocess.CompletedProcess[str]:
    return run_hasp("org", "policy", "--org", tenant.org, *options, env=environ)


async def policy_of(storage: Storage, tenant: Tenant) -> OrganizationPolicy:
    async with storage.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as tx:
        return await tx.organization.policy()


async def test_every_option_is_a_choice_of_the_policy(
    storage: Storage, environ: dict[str, str], tmp_path: Path
) -> None:
    tenant = await make_tenant(storage)
    (tmp_path / "deny").write_text(f"{NAME}\n\n  Bluebird\r\n")
    (tmp_path / "allow").write_text("Foley\n")

    ran = change(
        environ,
        tenant,
        *("--phi-mode", "allow", "--phi-profile", "custom", "--phi-entity", "PERSON", "--phi-entity", "US_SSN"),
        *("--phi-threshold", "0.65", "--phi-answers", "block", "--phi-retrieval-behavior", "block"),
        *("--phi-deny-terms", str(tmp_path / "deny"), "--phi-allow-terms", str(tmp_path / "allow")),
        *("--storage-mode", "none", "--no-restore-answers", "--unscannable", "pass", "--retention-days", "3000"),
        *("--legal-hold", "--failover", "--opus", "--premium-model", "gpt-5.4", "--acknowledge-phi-leaves"),
        *("--alert-threshold", "90", "--alert-threshold", "50"),
        *("--time-zone", "America/New_York", "--anchor-day", "31", "--rollover-limit", "5000"),
        *("--minimum-retention-days", "365"),
        *("--allowed-tool", "calculator", "--allowed-tool", "desk_*", "--default-model", "auto"),
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert await policy_of(storage, tenant) == OrganizationPolicy(
        version=2,
        phi_mode=PhiMode.ALLOW,
        phi_profile=Profile.CUSTOM,
        phi_entities=frozenset({Entity.PERSON, Entity.US_SSN}),
        phi_threshold_milli=650,
        phi_deny_terms=(NAME, "Bluebird"),
        phi_allow_terms=("Foley",),
        phi_answers="block",
        restore_answers=False,
        unscannable="pass",
        storage_mode=StorageMode.NONE,
        retention_days=3000,
        minimum_retention_days=365,
        legal_hold=True,
        phi_retrieval_behavior=PhiMode.BLOCK,
        failover_enabled=True,
        opus_enabled=True,
        premium_models=("gpt-5.4",),
        alert_thresholds=(50, 90),
        time_zone="America/New_York",
        anchor_day=31,
        rollover_limit=5000,
        allowed_tools=("calculator", "desk_*"),
        default_model="auto",
    )
    async with storage.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as tx:
        (entry,) = (await tx.audit_log.page(AuditFilter(action="policy.updated"), cursor=None, limit=10)).items
    assert (entry.actor, entry.metadata["command"]) == (operator(), "org.policy")
    assert "Quillfeather" not in str(entry.metadata)


async def test_an_empty_file_empties_no_list(storage: Storage, environ: dict[str, str], tmp_path: Path) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(NAME,), phi_allow_terms=("Foley",))
    (tmp_path / "none").touch()

    refused = change(environ, tenant, "--phi-deny-terms", str(tmp_path / "none"))
    before = await policy_of(storage, tenant)
    change(environ, tenant, "--phi-deny-terms", os.devnull)
    after = await policy_of(storage, tenant)

    assert (refused.returncode, before.phi_deny_terms) == (1, (NAME,))
    assert (after.phi_deny_terms, after.phi_allow_terms) == ((), ("Foley",))


@pytest.mark.parametrize(
    "options",
    [
        ("--phi-mode", "allow"),
        ("--phi-profile", "custom", "--phi-entity", "US_SSN"),
        ("--phi-profile", "custom", "--acknowledge-phi-leaves"),
        ("--phi-entity", "US_SSN", "--acknowledge-phi-leaves"),
        ("--phi-entity", "CUSTOM_TERM"),
        ("--phi-deny-terms", "short"),
        ("--phi-deny-terms", "latin"),
        ("--phi-deny-terms", "missing"),
        ("--premium-model", NAME),
        ("--allowed-tool", NAME),
        ("--allowed-tool", "*", "--allowed-tool", "calculator"),
        ("--allowed-tool", "calculator", "--no-tools"),
        ("--default-model", NAME),
        ("--default-model", "auto", "--no-default-model"),
        ("--alert-threshold", "50", "--no-alert-thresholds"),
        tuple(option for at in ("1", "2", "3", "4") for option in ("--alert-threshold", at)),
        ("--time-zone", NAME),
        ("--time-zone", "America/new_york"),
        (),
    ],
    ids=" ".join,
)
async def test_what_cannot_be_is_one_line_and_changes_nothing(
    storage: Storage, environ: dict[str, str], tmp_path: Path, options: tuple[str, ...]
) -> None:
    tenant = await make_tenant(storage)
    (tmp_path / "short").write_text(f"{NAME}\nx\n")
    (tmp_path / "latin").write_bytes(NAME.encode() + b"\xe9")
    given = [str(tmp_path / each) if each in {"short", "latin", "missing"} else each for each in options]

    ran = change(environ, tenant, *given)

    assert ran.returncode == 1
    assert ran.stderr.startswith("hasp: ")
    assert ran.stderr.count("\n") == 1
    assert "Quillfeather" not in ran.stderr
    assert await policy_of(storage, tenant) == OrganizationPolicy()


async def test_alert_thresholds_are_removed_by_name(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage, alert_thresholds=(50,))

    removed = change(environ, tenant, "--no-alert-thresholds")

    assert (removed.returncode, (await policy_of(storage, tenant)).alert_thresholds) == (0, ())


async def test_tools_are_forbidden_and_allowed_again_by_name(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    change(environ, tenant, "--no-tools")
    none = await policy_of(storage, tenant)
    change(environ, tenant, "--allowed-tool", "*")

    assert (none.allowed_tools, (await policy_of(storage, tenant)).allowed_tools) == ((), ("*",))


async def test_a_default_model_is_set_and_taken_away(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    change(environ, tenant, "--default-model", "claude-haiku-4-5")
    named = await policy_of(storage, tenant)
    change(environ, tenant, "--no-default-model")

    assert (named.default_model, (await policy_of(storage, tenant)).default_model) == ("claude-haiku-4-5", None)


async def test_a_spend_cap_is_set_and_removed(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    both = change(environ, tenant, "--spend-cap", "500", "--no-spend-cap")
    change(environ, tenant, "--spend-cap", "500")
    capped = await policy_of(storage, tenant)
    change(environ, tenant, "--no-spend-cap")

    assert (both.returncode, both.stderr.count("\n")) == (1, 1)
    assert (capped.spend_cap, (await policy_of(storage, tenant)).spend_cap) == (500, None)


async def test_a_tier_is_set_by_its_name(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    done = change(environ, tenant, "--tier", "growth")

    assert done.returncode == 0, done.stderr
    assert (await policy_of(storage, tenant)).tier == "growth"


async def test_a_tier_that_is_not_in_the_table_is_refused(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    for tier in ("platinum", ""):
        refused = change(environ, tenant, "--tier", tier)

        assert refused.returncode == 1
        assert "--tier is none of business, developer" in refused.stderr
    assert (await policy_of(storage, tenant)).tier == "enterprise"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HASP_TIERS_FILE", "/nowhere/tiers.json", "HASP_TIERS_FILE: the file cannot be read"),
        ("HASP_VALKEY_URL", "valkey://:hunter2@host:port", "HASP_VALKEY_URL: is not valid"),
        ("HASP_VALKEY_URL", "http://hunter2", "HASP_VALKEY_URL"),
    ],
)
async def test_a_wrong_setting_of_rate_limits_is_named_and_not_repeated(
    storage: Storage, environ: dict[str, str], name: str, value: str, said: str
) -> None:
    tenant = await make_tenant(storage)

    refused = change({**environ, name: value}, tenant, "--tier", "growth")

    assert refused.returncode == 2
    assert said in refused.stderr
    assert "hunter2" not in refused.stderr
