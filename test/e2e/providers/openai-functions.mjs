/**
 * Clients of OpenAI's API for JavaScript, with a function. Each prints its answer as {"name", "text"}, one JSON a line.
 *
 * Arguments: base URL, API key, a prompt with {name} for each client's name, a folder with the packages.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [baseURL, apiKey, prompt, folder] = process.argv.slice(2);
const { resolve } = createRequire(`${folder}/`);
const load = async (name) => await import(pathToFileURL(resolve(name)));

const { generateText, isStepCount, jsonSchema, streamText, tool } = await load('ai');
const { createOpenAI } = await load('@ai-sdk/openai');
const { createOpenAICompatible } = await load('@ai-sdk/openai-compatible');
const { ChatOpenAI } = await load('@langchain/openai');
const { HumanMessage, ToolMessage } = await load('@langchain/core/messages');

const MODEL = 'kimi-k2.6';
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: 'kimi', baseURL, apiKey });

const description = 'The weather of a city';
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = (city) => `20 °C in ${city}`;

/** What a client's function was asked for, in order. */
const asked = [];
const tools = {
  weather: tool({
    description,
    inputSchema: jsonSchema(schema),
    execute: async ({ city }) => {
      asked.push(city);
      return weather(city);
    },
  }),
};
const loop = (model, text) => ({ model, prompt: text, tools, stopWhen: isStepCount(3) });

async function langchain(text, streamed) {
  const definition = { type: 'function', function: { name: 'weather', description, parameters: schema } };
  const model = new ChatOpenAI({ model: MODEL, apiKey, configuration: { baseURL } }).bindTools([definition]);
  const messages = [new HumanMessage(text)];
  for (;;) {
    let answer;
    if (!streamed) answer = await model.invoke(messages);
    else for await (const chunk of await model.stream(messages)) answer = answer ? answer.concat(chunk) : chunk;
    if (answer.tool_calls.length === 0) return answer.text;
    messages.push(answer);
    for (const { id, args } of answer.tool_calls) {
      asked.push(args.city);
      messages.push(new ToolMessage({ tool_call_id: id, content: weather(args.city) }));
    }
  }
}

const CLIENTS = {
  'ai-responses': async (text) => (await generateText(loop(openai.responses(MODEL), text))).text,
  'ai-responses-stream': async (text) => await streamText(loop(openai.responses(MODEL), text)).text,
  'ai-chat': async (text) => (await generateText(loop(openai.chat(MODEL), text))).text,
  'ai-stream': async (text) => await streamText(loop(compatible(MODEL), text)).text,
  langchain: async (text) => await langchain(text, false),
  'langchain-stream': async (text) => await langchain(text, true),
};

for (const [name, ask] of Object.entries(CLIENTS)) {
  const text = await ask(prompt.replaceAll('{name}', name));
  console.log(JSON.stringify({ name, text, asked: asked.splice(0) }));
}
