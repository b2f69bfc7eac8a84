// Anthropic's own TypeScript library, with only base URL and key changed.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { z } from "zod";
import { collected, facts, report, schema } from "./scenarios.mjs";

const at = { baseURL: facts.base_url, maxRetries: 0 };
const client = new Anthropic({ ...at, apiKey: facts.key });
const tool = { name: "find_slot", description: "Finds a free appointment.", input_schema: schema };
// A model of their own for the vendor's failures, which count against it.
const failing = { model: "claude-sonnet-4-6" };
const thinking = { type: "enabled", budget_tokens: 1024 };

const asking = (content, more = {}) => ({
  model: "claude-haiku-4-5",
  max_tokens: 4000,
  messages: [{ role: "user", content }],
  ...more,
});

async function toolRoundTrip(model) {
  const asked = asking("[[sandbox: tool=find_slot; tools=2; chunk=2]] Tuesday", { model, tools: [tool] });
  const first = await client.messages.stream(asked).finalMessage();
  const calls = first.content.filter((block) => block.type === "tool_use");
  const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: `${call.input.day}: nine` }));
  const turns = [
    ...asked.messages,
    { role: "assistant", content: first.content },
    { role: "user", content: results },
  ];
  const second = await client.messages.create({ ...asked, messages: turns });
  return { calls: calls.map((call) => call.input), stop: first.stop_reason, said: second.content[0].text };
}

await report({
  plain: async () => {
    const { content, stop_reason, usage } = await client.messages.create(asking("Hello there"));
    return { said: content[0].text, stop: stop_reason, tokens: [usage.input_tokens > 0, usage.output_tokens] };
  },
  streamed: async () => {
    const stream = client.messages.stream(asking("One two three"));
    const pieces = [];
    stream.on("text", (piece) => pieces.push(piece));
    const message = await stream.finalMessage();
    return { pieces, said: message.content[0].text, stop: message.stop_reason };
  },
  raw_stream: async () => {
    const events = await collected(await client.messages.create(asking("Hi", { stream: true })));
    return events.map((event) => event.type);
  },
  tools: () => toolRoundTrip("claude-haiku-4-5"),
  tools_of_gpt: () => toolRoundTrip("gpt-5.4-mini"),
  tool_runner: async () => {
    const ran = [];
    const find = betaZodTool({
      name: "find_slot",
      description: "Finds a free appointment.",
      inputSchema: z.object({ day: z.string(), minutes: z.number().int() }),
      run: (input) => ran.push(input) && `${input.day} at nine`,
    });
    const asked = asking("[[sandbox: tool=find_slot]] Friday", { tools: [find] });
    const message = await client.beta.messages.toolRunner(asked);
    return { ran, said: message.content[0].text };
  },
  thinking: async () => {
    const asked = asking("[[sandbox: thinking=on]] Why?", { thinking });
    const first = await client.messages.create(asked);
    const turns = [
      ...asked.messages,
      { role: "assistant", content: first.content },
      { role: "user", content: "And then?" },
    ];
    const second = await client.messages.stream({ ...asked, messages: turns }).finalMessage();
    return { blocks: first.content.map((block) => block.type), said: second.content[0].text };
  },
  gpt: async () => {
    const message = await client.messages.create(asking("Hello there", { model: "gpt-5.4-mini" }));
    return { said: message.content[0].text, model: message.model, stop: message.stop_reason };
  },
  restored: async () => {
    const plain = await client.messages.create(asking(facts.note));
    const streamed = await client.messages.stream(asking(facts.note)).finalMessage();
    return [plain.content[0].text, streamed.content[0].text];
  },
  counted: async () => (await client.messages.countTokens({ model: "claude-haiku-4-5", messages: asking("Hi").messages })).input_tokens,
  models: async () => (await collected(client.models.list({ limit: 4 }))).map((model) => model.id),
  model: async () => (await client.models.retrieve("claude-haiku-4-5")).display_name,
  bearer: async () => {
    const named = new Anthropic({ ...at, apiKey: null, authToken: facts.key });
    return (await named.messages.create(asking("Hello"))).content[0].text;
  },
  unknown_key: () => new Anthropic({ ...at, apiKey: facts.unknown_key }).messages.create(asking("Hello")),
  no_agreement: () => new Anthropic({ ...at, apiKey: facts.unsigned_key }).messages.create(asking("Hello")),
  refused_field: () => client.messages.create(asking("Hello", { store: false })),
  vendor_failed: () => client.messages.create(asking("[[sandbox: error=500]]", failing)),
  broken_stream: () => client.messages.stream(asking("[[sandbox: error_after=2]] a b c d", failing)).finalMessage(),
});
