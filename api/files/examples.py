"""Examples of the OpenAPI document for files. Tests hold them to what routes answer."""

from api.openapi import answer

_FILE = "0198166e-1287-c683-b4db-171ed6c6a02e"
_IDS = {"file_id": _FILE, "file_uuid": _FILE}

UPLOADED = answer(
    "It is kept, and is being read.",
    {
        **_IDS,
        "status": "uploading",
        "message": "The file is being read.",
        "request_id": "req_01K0B6W4M7RT2V9YQ3X5ZC8D1E",
    },
)
ANNOUNCE_REQUEST = {
    "handbook": {"file_name": "handbook.pdf", "file_size": 52_110, "mime_type": "application/pdf"},
}
ANNOUNCED = answer(
    "Put its bytes to the link.",
    {
        **_IDS,
        "upload_url": f"https://hasp.example.org/v1/files/{_FILE}/content?token=1784620800.01K0B6W4M7RT2V9YQ3X5ZC8D1E",
        "method": "PUT",
        "headers": {"content-type": "application/pdf"},
        "expires_at": "2026-07-21T08:00:00+00:00",
        "status": "uploading",
        "request_id": "req_01K0B6W4M7RT2V9YQ3X5ZC8D1E",
    },
)
STATUS = answer(
    "How far it is.", {**_IDS, "status": "ready", "tokens": 1_240, "phi_findings": {"PERSON": 2}, "error": None}
)
FILES = answer(
    "The list.",
    {
        "data": [
            {
                **_IDS,
                "file_name": "handbook.pdf",
                "status": "ready",
                "tokens": 1_240,
                "phi_findings": {"PERSON": 2},
                "bytes": 52_110,
                "created_at": "2026-07-21T08:00:00+00:00",
            }
        ]
    },
)
DELETED = answer("It is gone.", {**_IDS, "deleted": True})
