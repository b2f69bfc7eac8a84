"""`python -m tests.golden.record`: rewrite every expectation from what the gateway does now. Read the diff."""

import asyncio

from gateway import logs
from tests.golden.expectations import ROOT, expectations, recorder, sources


async def record_all() -> None:
    async with recorder() as recording:
        for source in sources():
            before, after = expectations(source), await recording.record(source)
            for name in before.keys() - after.keys():
                (source.parent / name).unlink()
                print(f"- {(source.parent / name).relative_to(ROOT)}")  # noqa: T201 - a command
            for name, content in after.items():
                if before.get(name) != content:
                    (source.parent / name).write_bytes(content)
                    print(f"+ {(source.parent / name).relative_to(ROOT)}")  # noqa: T201 - a command


if __name__ == "__main__":
    logs.configure("error")
    asyncio.run(record_all())
