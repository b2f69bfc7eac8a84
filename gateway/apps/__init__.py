"""Apps: prompts that an organisation keeps and fills in, and workflows of several of them (spec, hatz 9 and 10)."""
