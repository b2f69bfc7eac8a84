"""How fast an organisation and each of its keys may call: tiers, buckets, and the gate that draws from them."""
