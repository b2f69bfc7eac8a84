// The Vercel AI SDK with its Anthropic provider, with only base URL and key changed.

import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";
import { collected, facts, report, told } from "./scenarios.mjs";

const provider = (apiKey) => createAnthropic({ baseURL: `${facts.base_url}/v1`, apiKey });
const claude = provider(facts.key)("claude-haiku-4-5");
const gpt = provider(facts.key)("gpt-5.4-mini");
// A model of its own for the vendor's failures, which count against it.
const failing = { model: provider(facts.key)("claude-sonnet-4-6") };
const asking = (prompt, more = {}) => ({ model: claude, prompt, maxRetries: 0, maxOutputTokens: 4000, ...more });

const slots = {
  find_slot: tool({
    description: "Finds a free appointment.",
    inputSchema: z.object({ day: z.string(), minutes: z.number().int() }),
    execute: ({ day }) => `${day} at nine`,
  }),
};

const looping = (prompt, more = {}) => asking(prompt, { tools: slots, stopWhen: isStepCount(4), ...more });

await report({
  plain: async () => {
    const { text, finishReason, usage } = await generateText(asking("Hello there"));
    return { said: text, finish: finishReason, tokens: [usage.inputTokens > 0, usage.outputTokens] };
  },
  streamed: async () => {
    const answer = streamText(asking("One two three"));
    return { pieces: await collected(answer.textStream), finish: await answer.finishReason };
  },
  tools: async () => {
    const { text, steps } = await generateText(looping("[[sandbox: tool=find_slot; tools=2]] Tuesday"));
    return { said: text, inputs: steps[0].toolCalls.map((call) => call.input), steps: steps.length };
  },
  streamed_tools: async () => {
    const answer = streamText(looping("[[sandbox: tool=find_slot; chunk=2]] Tuesday"));
    await answer.consumeStream();
    return { said: await answer.text, steps: (await answer.steps).length };
  },
  tools_of_gpt: async () => (await generateText(looping("[[sandbox: tool=find_slot]] Tuesday", { model: gpt }))).text,
  thinking: async () => {
    const providerOptions = { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };
    const first = await generateText(looping("[[sandbox: thinking=on; tool=find_slot]] Friday", { providerOptions }));
    return { reasoned: first.steps[0].reasoningText, said: first.text };
  },
  structured: async () => {
    const output = Output.object({ schema: z.object({ city: z.string(), days: z.number().int() }) });
    return (await generateText(asking("Oslo", { output }))).output;
  },
  gpt: async () => (await generateText(asking("Hello there", { model: gpt }))).text,
  restored: async () => {
    const plain = await generateText(asking(facts.note));
    const streamed = streamText(asking(facts.note));
    return [plain.text, await streamed.text];
  },
  unknown_key: () => generateText(asking("Hello", { model: provider(facts.unknown_key)("claude-haiku-4-5") })),
  no_agreement: () => generateText(asking("Hello", { model: provider(facts.unsigned_key)("claude-haiku-4-5") })),
  vendor_failed: () => generateText(asking("[[sandbox: error=500]]", failing)),
  broken_stream: async () => {
    const answer = streamText(asking("[[sandbox: error_after=2]] a b c d", { ...failing, onError: () => {} }));
    const parts = await collected(answer.fullStream);
    return parts.filter((part) => part.type === "error").map((part) => told(part.error));
  },
});
