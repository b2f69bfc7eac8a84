// What every program shares: facts come in as JSON on standard input, and one JSON object of outcomes goes out.

import { text } from "node:stream/consumers";

export const facts = JSON.parse(await text(process.stdin));

export const schema = { type: "object", properties: { day: { type: "string" } }, required: ["day"] };

/** Runs `scenarios` one after the other and prints `{name: {answer} | {raised}}`. */
export async function report(scenarios) {
  const outcomes = {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      outcomes[name] = { answer: (await scenario()) ?? null };
    } catch (error) {
      outcomes[name] = { raised: told(error) };
    }
  }
  console.log(JSON.stringify(outcomes));
}

/** An error with the names of all its classes, so that a test can ask for the one that a caller would catch. */
export function told(error) {
  const classes = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) classes.push(kind.name);
  const { message, status, statusCode, type, code, param, requestID } = error;
  return { classes, message, status: status ?? statusCode, type, code, param, requestID };
}

export async function collected(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
