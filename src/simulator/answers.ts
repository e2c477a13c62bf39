/** @returns the tokens of a text: one for two characters, about the ratio of real tokenizers. */
export function tokensIn(text: string): number {
  return Math.ceil(text.length / 2);
}

/** @returns the longest prefix of a text with at most this many tokens. */
export function firstTokens(text: string, tokens: number): string {
  return text.slice(0, tokens * 2);
}

/** @returns the answer to a prompt: the same prompt always gets the same answer. `size` is in characters. */
export function answerTo(prompt: string, size?: number): string {
  const answer = [
    '（這是模擬的 Kimi 所產生的答案，沒有呼叫真正的 Kimi。 This answer is simulated; the real Kimi was not called.）',
    '',
    `> ${prompt.split('\n', 1)[0]}`,
    '',
    '```python',
    'def fibonacci(n: int) -> int:',
    '    a, b = 0, 1',
    '    for _ in range(n):',
    '        a, b = b, a + b',
    '    return a',
    '',
    '',
    'assert [fibonacci(n) for n in range(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]',
    '```',
    '',
  ].join('\n');
  return sized(answer, size);
}

/** @returns the reasoning of a model. */
export function reasoningOn(prompt: string, size?: number): string {
  return sized(`（模擬的推理 simulated reasoning）The user asks: ${prompt.split('\n', 1)[0]?.slice(0, 80)}`, size);
}

/** Characters of a chunk by default: two tokens. */
const CHUNK_CHARS = 4;
/** Characters of a line of filler; each is of three bytes, as most of a Chinese text. */
const FILLER_CHARS = 14;

/** Longer answers have larger chunks. */
const MOST_CHUNKS = 500;

/** @returns the text in this many pieces, or fewer if it is short. Surrogate pairs stay together. */
export function pieces(text: string, count?: number): string[] {
  const characters = Array.from(text);
  const wanted = count ?? Math.min(MOST_CHUNKS, Math.ceil(characters.length / CHUNK_CHARS));
  const length = Math.max(1, Math.ceil(characters.length / wanted));
  return Array.from({ length: Math.ceil(characters.length / length) }, (_, n) =>
    characters.slice(n * length, (n + 1) * length).join(''),
  );
}

/** Cuts a text, or fills it up with numbered lines, so that a lost or repeated piece is noticed. */
function sized(text: string, size = text.length): string {
  const lines = Array.from({ length: Math.ceil(Math.max(0, size - text.length) / FILLER_CHARS) }, (_, n) => {
    const number = String(n + 1).padStart(7, '0');
    return `模擬模擬模擬${number.replaceAll(/\d/g, (digit) => '０１２３４５６７８９'.charAt(Number(digit)))}。`;
  });
  return (text + lines.join('')).slice(0, size);
}
