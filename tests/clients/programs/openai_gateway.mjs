// OpenAI's own TypeScript library, with only base URL and key changed.

import OpenAI from "openai";
import { collected, facts, report, schema } from "./scenarios.mjs";

const through = (apiKey) => new OpenAI({ baseURL: `${facts.base_url}/v1/openai`, apiKey, maxRetries: 0 });
const client = through(facts.key);
const model = "gpt-5.4-mini";
const claude = "claude-haiku-4-5";
// A model of its own for the vendor's failures, which count against it.
const failing = "gpt-5.4";
const called = { type: "function", name: "find_slot", parameters: schema };
const chatted = { type: "function", function: { name: "find_slot", parameters: schema } };
const said = (content) => [{ role: "user", content }];

/** Asks, runs what is called and asks again, twice. */
async function looped(model) {
  const input = said("[[sandbox: tool=find_slot; tools=2]] Tuesday");
  const inputs = [];
  for (const next of ["[[sandbox: tool=find_slot; words=Friday]]", "nine"]) {
    const stream = client.responses.stream({ model, input, tools: [called], store: false });
    const { output } = await stream.finalResponse();
    const calls = output.filter((item) => item.type === "function_call");
    inputs.push(...calls.map((call) => JSON.parse(call.arguments).day));
    const results = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: next }));
    input.push(...output, ...results);
  }
  const last = await client.responses.create({ model, input, tools: [called], store: false });
  return { inputs, said: last.output_text };
}

async function chatLooped(model) {
  const messages = said("[[sandbox: tool=find_slot]] Tuesday");
  const inputs = [];
  for (const next of ["[[sandbox: tool=find_slot; words=Friday]]", "nine"]) {
    const stream = client.chat.completions.stream({ model, messages, tools: [chatted] });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    inputs.push(...message.tool_calls.map((call) => JSON.parse(call.function.arguments).day));
    const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: next }));
    messages.push(message, ...results);
  }
  const last = await client.chat.completions.create({ model, messages, tools: [chatted] });
  return { inputs, said: last.choices[0].message.content };
}

await report({
  response: async () => {
    const response = await client.responses.create({ model, input: "Hello there" });
    return { said: response.output_text, status: response.status, tokens: response.usage.output_tokens };
  },
  streamed_response: async () => {
    const stream = client.responses.stream({ model, input: "One two three" });
    const events = (await collected(stream)).map((event) => event.type);
    return { events: [...new Set(events)], said: (await stream.finalResponse()).output_text };
  },
  tools: () => looped(model),
  tools_of_claude: () => looped(claude),
  referred: async () => {
    const first = await client.responses.create({ model, input: "One" });
    const input = [...said("One"), { type: "item_reference", id: first.output[0].id }, ...said("Two")];
    return (await client.responses.create({ model, input })).output_text;
  },
  failed: async () => {
    const input = "[[sandbox: error_after=1]] a b";
    const events = await collected(await client.responses.create({ model: failing, input, stream: true }));
    return events.at(-1).type;
  },
  restored: async () => {
    const plain = await client.responses.create({ model, input: facts.note });
    const streamed = client.responses.stream({ model, input: facts.note });
    return [plain.output_text, (await streamed.finalResponse()).output_text];
  },
  chat: async () => {
    const { choices, usage } = await client.chat.completions.create({ model, messages: said("Hello there") });
    return { said: choices[0].message.content, finish: choices[0].finish_reason, tokens: usage.completion_tokens };
  },
  streamed_chat: async () => {
    const chunks = await collected(
      await client.chat.completions.create({
        model,
        messages: said("One two three"),
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    return { said: text, tokens: chunks.at(-1).usage.completion_tokens };
  },
  chat_tools: () => chatLooped(model),
  chat_tools_of_claude: () => chatLooped(claude),
  chat_restored: async () => {
    const plain = await client.chat.completions.create({ model, messages: said(facts.note) });
    const streamed = client.chat.completions.stream({ model, messages: said(facts.note) });
    return [plain.choices[0].message.content, (await streamed.finalChatCompletion()).choices[0].message.content];
  },
  broken_chat: async () => {
    const messages = said("[[sandbox: error_after=2]] a b c d");
    return collected(await client.chat.completions.create({ model: failing, messages, stream: true }));
  },
  models: async () => (await collected(client.models.list())).map((listed) => listed.id),
  unknown_key: () => through(facts.unknown_key).responses.create({ model, input: "Hello" }),
  no_agreement: () => through(facts.unsigned_key).chat.completions.create({ model, messages: said("Hello") }),
  unknown_model: () => client.responses.create({ model: "gpt-0", input: "Hello" }),
  vendor_failed: () => client.responses.create({ model: failing, input: "[[sandbox: error=500]]" }),
});
