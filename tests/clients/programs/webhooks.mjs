// What the Standard Webhooks library makes of what is sent to it.

import { Webhook } from "standardwebhooks";

import { facts, report } from "./scenarios.mjs";

const { secret, body, deliveries } = facts;

await report(
  Object.fromEntries(
    Object.entries(deliveries).map(([name, headers]) => [name, () => new Webhook(secret).verify(body, headers)]),
  ),
);
