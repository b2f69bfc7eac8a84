// The Vercel AI SDK with its OpenAI provider, and with its Anthropic provider at `/v1/anthropic`.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { collected, facts, report, told } from "./scenarios.mjs";

const openai = (apiKey) => createOpenAI({ baseURL: `${facts.base_url}/v1/openai`, apiKey });
const anthropic = (path) => createAnthropic({ baseURL: `${facts.base_url}${path}`, apiKey: facts.key });
const models = {
  responses: openai(facts.key)("gpt-5.4-mini"),
  responses_of_claude: openai(facts.key)("claude-haiku-4-5"),
  chat: openai(facts.key).chat("gpt-5.4-mini"),
  messages: anthropic("/v1/anthropic")("claude-haiku-4-5"),
  messages_v1: anthropic("/v1/anthropic/v1")("sonnet"),
};
const failing = openai(facts.key)("gpt-5.4");
const slots = {
  find_slot: tool({
    description: "Finds a free appointment.",
    inputSchema: z.object({ day: z.string() }),
    execute: ({ day }) => (day === "Tuesday" ? "[[sandbox: tool=find_slot; words=Friday]]" : `${day} at nine`),
  }),
};

const scenarios = {};
for (const [name, model] of Object.entries(models)) {
  const asking = (prompt, more = {}) => ({ model, prompt, maxRetries: 0, maxOutputTokens: 4000, ...more });
  const looping = asking("[[sandbox: tool=find_slot]] Tuesday", { tools: slots, stopWhen: isStepCount(5) });
  scenarios[`${name}_said`] = async () => {
    const { text, finishReason, usage } = await generateText(asking("Hello there"));
    return { said: text, finish: finishReason, tokens: [usage.inputTokens > 0, usage.outputTokens] };
  };
  scenarios[`${name}_tools`] = async () => {
    const { text, steps } = await generateText(looping);
    return { said: text, steps: steps.length };
  };
  scenarios[`${name}_streamed_tools`] = async () => {
    const answer = streamText(looping);
    await answer.consumeStream();
    return { said: await answer.text, steps: (await answer.steps).length };
  };
  scenarios[`${name}_restored`] = async () => {
    const plain = await generateText(asking(facts.note));
    const streamed = streamText(asking(facts.note));
    return [plain.text, await streamed.text];
  };
}
scenarios.second_turn = async () => {
  // Without `store: false` it refers to what was said, in place of saying it again.
  const first = await generateText({ model: models.responses, prompt: "One", maxRetries: 0 });
  const messages = [{ role: "user", content: "One" }, ...first.response.messages, { role: "user", content: "Two" }];
  return (await generateText({ model: models.responses, messages, maxRetries: 0 })).text;
};
scenarios.unknown_key = () => generateText({ model: openai(facts.unknown_key)("gpt-5.4-mini"), prompt: "Hi", maxRetries: 0 });
scenarios.broken_stream = async () => {
  const answer = streamText({ model: failing, prompt: "[[sandbox: error_after=2]] a b c d", maxRetries: 0, onError: () => {} });
  const parts = await collected(answer.fullStream);
  return parts.filter((part) => part.type === "error").map((part) => told(part.error));
};
await report(scenarios);
