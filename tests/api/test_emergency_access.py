"""Getting at a record in an emergency: by the operator's command line, when nobody else can let anybody in."""

import os
import subprocess
import sys

from gateway.settings import Settings
from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant


def break_glass(settings: Settings, org: str) -> str:
    environ = {
        "PATH": os.environ["PATH"],
        "HASP_DATABASE_URL": str(settings.database_url),
        "HASP_KEYRING_FILE": str(settings.keyring_file),
        "HASP_OPERATOR": "on-call",
    }
    command = ("key", "create", "--org", org, "--name", "Emergency", "--scope", "control:read", "--expires", "1d")
    ran = subprocess.run(
        [sys.executable, "-m", "cli", *command], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stdout.strip()


async def test_an_operators_emergency_key_reads_a_record_and_leaves_its_traces(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    asked = await gateway_server.post("/v1/ai/chat", {"message": "Hello", "stream": False}, key=tenant.token)
    record = asked.headers["x-request-id"].removeprefix("req_")

    emergency = break_glass(server_settings, tenant.org)
    read = await gateway_server.get(f"/v1/ai/messages/{record}", key=emergency)

    assert read.status == 200
    assert "Echo: Hello" in read.body.decode()
    key = (await gateway_server.storage.access.resolve(emergency)).principal.key
    log = (await gateway_server.get("/v1/audit?limit=200", key=tenant.token)).json()["data"]
    who = {(entry["action"], entry["entity_id"]): entry["actor"] for entry in log}
    assert who["api_key.created", key].endswith("/on-call")
    assert who["ai.message.retrieved", record] == f"key:{key}"
