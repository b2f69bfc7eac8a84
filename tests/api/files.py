"""Files as tests upload them and have them read, over real HTTP."""

from temporalio.testing import ActivityEnvironment

from activities.file_processing import FileProcessingActivities, UploadedFile
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant

UPLOAD = "/v1/files/upload"
_BOUNDARY = "----a-boundary"
HEADERS = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}


def form(name: str, content: bytes, *, field: str = "file") -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    scope = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="scope_type"\r\n\r\nchat\r\n'
    return (scope + head + "Content-Type: text/plain\r\n\r\n").encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def send(server: GatewayServer, tenant: Tenant, method: str, path: str, body: object = None) -> Reply:
    return await server.request(method, path, body, key=None, headers={"x-api-key": tenant.token})


async def upload(
    server: GatewayServer, tenant: Tenant, name: str, content: bytes, headers: dict[str, str] | None = None
) -> Reply:
    sent = {**HEADERS, "x-api-key": tenant.token, **(headers or {})}
    return await server.request("POST", UPLOAD, form(name, content), key=None, headers=sent)


async def uploaded(server: GatewayServer, tenant: Tenant, name: str, content: bytes) -> str:
    """Its id; nobody has read it yet."""
    reply = await upload(server, tenant, name, content)
    assert reply.status == 200, reply.body
    return reply.json()["file_id"]


async def rules() -> Guard:
    return Guard(RuleDetector())


async def read(server: GatewayServer, tenant: Tenant, file: str) -> None:
    """Have it read as a worker reads it, by a guard of rules alone."""
    reading = FileProcessingActivities(server.storage, rules)
    await ActivityEnvironment().run(reading.process, UploadedFile(tenant.org, file))
