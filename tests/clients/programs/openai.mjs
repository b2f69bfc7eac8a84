// OpenAI's own TypeScript library against the sandbox: the judge of whether that speaks as OpenAI does.

import OpenAI from "openai";
import { collected, facts, report, schema } from "./scenarios.mjs";

const model = "gpt-5.4";
const client = new OpenAI({ baseURL: `${facts.sandbox_url}/v1`, apiKey: "any", maxRetries: 0 });
const parameters = { ...schema, additionalProperties: false };
const called = { type: "function", name: "find_slot", parameters, strict: true };
const chatted = { type: "function", function: { name: "find_slot", parameters } };
const said = (content) => [{ role: "user", content }];

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
  response_tools: async () => {
    const asked = said("[[sandbox: tool=find_slot; tools=2; thinking=on]] Tuesday");
    const include = ["reasoning.encrypted_content"];
    const tools = [called];
    const stream = client.responses.stream({ model, input: asked, tools, include, store: false });
    const { output } = await stream.finalResponse();
    const calls = output.filter((item) => item.type === "function_call");
    const results = calls.map(({ call_id, arguments: given }) => ({
      type: "function_call_output",
      call_id,
      output: `${JSON.parse(given).day}: nine`,
    }));
    const input = [...asked, ...output, ...results];
    const second = await client.responses.create({ model, input, tools, include, store: false });
    return { kinds: output.map((item) => item.type), said: second.output_text };
  },
  failed_response: async () => {
    const events = await collected(
      await client.responses.create({ model, input: "[[sandbox: error_after=1]] a b", stream: true }),
    );
    return events.at(-1).type;
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
  chat_tools: async () => {
    const asked = said("[[sandbox: tool=find_slot; tools=2]] Tuesday");
    const tools = [chatted];
    const stream = client.chat.completions.stream({ model, messages: asked, tools });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    const results = message.tool_calls.map((call) => ({
      role: "tool",
      tool_call_id: call.id,
      content: `${JSON.parse(call.function.arguments).day}: nine`,
    }));
    const second = await client.chat.completions.create({ model, messages: [...asked, message, ...results], tools });
    return { finish: finish_reason, said: second.choices[0].message.content };
  },
  models: async () => (await collected(client.models.list())).map((listed) => listed.id),
  bad_request: () => client.responses.create({ model, input: "[[sandbox: error=400]]" }),
  unauthorized: () => client.responses.create({ model, input: "[[sandbox: error=401]]" }),
  rate_limited: () => client.chat.completions.create({ model, messages: said("[[sandbox: error=429]]") }),
  server_error: () => client.chat.completions.create({ model, messages: said("[[sandbox: error=500]]") }),
  models_of_the_gateway: async () => {
    const gateway = new OpenAI({ baseURL: `${facts.base_url}/v1`, apiKey: facts.key, maxRetries: 0 });
    const page = await gateway.models.list();
    return { object: page.object, first: page.data[0], ids: page.data.map((listed) => listed.id) };
  },
});
