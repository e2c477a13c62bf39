/**
 * Clients of OpenAI's API for JavaScript. Each prints its answer as {"name", "text"}, one JSON a line.
 *
 * Arguments: base URL, API key, a prompt with {name} for each client's name, a folder with the packages.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [baseURL, apiKey, prompt, folder] = process.argv.slice(2);
const { resolve } = createRequire(`${folder}/`);
const load = async (name) => await import(pathToFileURL(resolve(name)));

const { generateText, streamText } = await load('ai');
const { createOpenAI } = await load('@ai-sdk/openai');
const { createOpenAICompatible } = await load('@ai-sdk/openai-compatible');
const { ChatOpenAI } = await load('@langchain/openai');

const MODEL = 'kimi-k2.6';
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: 'kimi', baseURL, apiKey });
const langchain = new ChatOpenAI({ model: MODEL, apiKey, maxRetries: 60, configuration: { baseURL } });

/** A stream that is cut: the same request gets the answer from its beginning. */
async function untilWhole(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      console.error('again after', String(error));
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

const CLIENTS = {
  'ai-responses': async (text) =>
    (await generateText({ model: openai.responses(MODEL), prompt: text, maxRetries: 60 })).text,
  'ai-chat': async (text) => (await generateText({ model: openai.chat(MODEL), prompt: text, maxRetries: 60 })).text,
  'ai-compatible': async (text) =>
    (await generateText({ model: compatible(MODEL), prompt: text, maxRetries: 60 })).text,
  'ai-stream': async (text) =>
    await untilWhole(async () => {
      let failure;
      const onError = ({ error }) => {
        failure = error;
      };
      const { textStream } = streamText({ model: compatible(MODEL), prompt: text, maxRetries: 60, onError });
      let whole = '';
      for await (const piece of textStream) whole += piece;
      if (failure) throw failure;
      return whole;
    }),
  langchain: async (text) => (await langchain.invoke(text)).text,
  'langchain-stream': async (text) =>
    await untilWhole(async () => {
      let whole = '';
      for await (const { text: piece } of await langchain.stream(text)) whole += piece;
      return whole;
    }),
};

await Promise.all(
  Object.entries(CLIENTS).map(async ([name, ask]) => {
    console.log(JSON.stringify({ name, text: await ask(prompt.replaceAll('{name}', name)) }));
  }),
);
