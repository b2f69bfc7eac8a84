"""The public Internet, for what strangers name: where a URL may lead, and connections that go nowhere else."""
