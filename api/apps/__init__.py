"""Apps and their workflows: `/v1/app/*` and `/v1/workflows/*` (spec, hatz 9 and 10)."""
