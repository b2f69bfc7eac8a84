"""The tools that are shipped, each behind `gateway.harness.tool.ServerTool`."""
