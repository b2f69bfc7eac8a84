"""Examples of the routes of apps and workflows in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_UUID = "0198166e-4a87-d6b4-9d9e-e3b97f8601ae"
_OTHER = "0198166e-4a87-d6b4-9d9e-e3b97f8601af"
_JOB = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_REQUEST = f"req_{_JOB}"
_AT = "2026-04-01T00:00:00+00:00"
_VERSIONED = {"ETag": "The version of the app, for `If-Match`."}
_INPUT: Mapping[str, Any] = {
    "object_id": _OTHER,
    "variable_name": "note",
    "display_name": "Visit note",
    "description": "As it was dictated.",
    "position": 0,
    "required": True,
    "variable_type": "long_answer",
}
_APP: Mapping[str, Any] = {
    "id": _UUID,
    "name": "Discharge summary",
    "description": "In words for the patient.",
    "default_model": "claude-haiku-4-5",
    "files": [],
    "constants": [
        {
            "object_id": _OTHER,
            "variable_name": "tone",
            "display_name": "Tone",
            "description": None,
            "variable_type": "text",
            "value": "plain and kind",
        }
    ],
    "user_inputs": [_INPUT],
    "prompt_sections": [{"body": "Summarize in a tone that is {{inputs.tone}}:\n{{inputs.note}}", "position": 0}],
}
_STEPS: list[dict[str, Any]] = [
    {
        "id": "facts",
        "config": {"model": "claude-haiku-4-5"},
        "position": 0,
        "step_type": "prompt",
        "display_name": "Facts",
        "prompt_sections": [{"body": "List the facts of:\n{{inputs.note}}", "position": 0}],
    },
    {
        "id": "letter",
        "config": {"model": None},
        "position": 1,
        "step_type": "prompt",
        "display_name": "Letter",
        "prompt_sections": [{"body": "Write to the patient's doctor of:\n{{steps.facts.output}}", "position": 0}],
    },
]
_WORKFLOW: Mapping[str, Any] = {
    "id": _OTHER,
    "name": "Referral",
    "description": None,
    "default_model": "auto",
    "files": [],
    "constants": [],
    "user_inputs": [_INPUT],
    "steps": _STEPS,
    "dependencies": [{"step_id": "letter", "depends_on": ["facts"]}],
}
_USAGE = {"input_tokens": 120, "output_tokens": 64, "credits": 3}
_DONE = {"error": None, "usage": _USAGE, "status": "completed", "message_id": f"msg_{_JOB}"}


def _job(status: str, steps: list[dict[str, Any]], *, done: bool) -> dict[str, Any]:
    return {
        "job_id": _JOB,
        "app_id": _OTHER,
        "status": status,
        "created_at": _AT,
        "started_at": _AT,
        "finished_at": _AT,
        "steps": steps,
        "outputs": {"letter": "Dear colleague, ..."} if done else None,
        "error": None,
        "usage": {"input_tokens": 240, "output_tokens": 128, "credits": 6} if done else _USAGE,
    }


_FIRST = {"id": "facts", "display_name": "Facts", "output": "- Seen for a cough", **_DONE}
_FINISHED = _job(
    "completed",
    [_FIRST, {"id": "letter", "display_name": "Letter", "output": "Dear colleague, ...", **_DONE}],
    done=True,
)
_UNDONE = {
    "id": "letter",
    "display_name": "Letter",
    "output": None,
    "error": None,
    "usage": {"input_tokens": 0, "output_tokens": 0, "credits": 0},
    "status": "cancelled",
    "message_id": None,
}
_INVOKED = {"status": "Workflow Job Invoked", "job_id": _JOB, "request_id": _REQUEST}

CREATE_REQUEST: Mapping[str, Any] = {
    "an app": {
        "name": "Discharge summary",
        "default_model": "claude-haiku-4-5",
        "user_inputs": [{"variable_name": "note", "required": True, "variable_type": "long_answer"}],
        "prompt_sections": [{"body": "Summarize for the patient:\n{{inputs.note}}"}],
    },
    "a workflow": {
        "name": "Referral",
        "user_inputs": [{"variable_name": "note", "required": True, "variable_type": "long_answer"}],
        "steps": [
            {"id": "facts", "prompt_sections": [{"body": "List the facts of:\n{{inputs.note}}"}]},
            {"id": "letter", "prompt_sections": [{"body": "Write to the doctor of:\n{{steps.facts.output}}"}]},
        ],
        "dependencies": [{"step_id": "letter", "depends_on": ["facts"]}],
    },
}
CHANGE_REQUEST: Mapping[str, Any] = {
    "another model": {"default_model": "claude-sonnet-4-6"},
    "another prompt": {"prompt_sections": [{"body": "Summarize in one sentence:\n{{inputs.note}}"}]},
}
QUERY_REQUEST: Mapping[str, Any] = {
    "plain": {"inputs": {"note": "The patient was seen for a cough."}},
    "with another model, streamed": {
        "inputs": {"note": "The patient was seen for a cough."},
        "model": "claude-sonnet-4-6",
        "stream": True,
    },
}
RUN_REQUEST: Mapping[str, Any] = {
    "plain": {"app_id": _OTHER, "inputs": {"note": "The patient was seen for a cough."}},
}

APPS = answer("Apps and workflows.", {"data": [_APP]})
APP = answer("The app.", _APP, headers=_VERSIONED)
CREATED = answer("The app.", {**_APP, "request_id": _REQUEST}, headers=_VERSIONED)
DELETED = answer("It is gone.", {"id": _UUID, "deleted": True})
RUN = answer("It runs.", _INVOKED, headers={"Location": "Where to ask for it."})
RUN_DONE = answer("It has ended.", {**_INVOKED, "job": _FINISHED})
JOB = answer("The job.", _FINISHED)
CANCELLED_JOB = answer("The job, as it was ended.", _job("cancelled", [_FIRST, _UNDONE], done=False))
