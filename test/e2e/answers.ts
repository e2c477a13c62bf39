/** Answers for the pages of tasks: one as Kimi writes them, and a hostile one. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResultFile } from '../../src/shared/result.ts';
import type { TaskFile } from '../../src/shared/task.ts';

const COMMON = {
  status: 'done',
  model: 'kimi-k2.6',
  tokens: { prompt: 182, completion: 1_405, total: 1_587 },
  cost: { amount: 0.0389, currency: 'CNY', price_date: '2026-11-24' },
  finish_reason: 'stop',
  created_at: '2026-11-24T12:00:00Z',
  completed_at: '2026-11-24T12:00:48Z',
  acknowledged: true,
} as const;

const CHINESE = `# 台灣半導體產業的歷史

台灣的半導體產業從**「技術移轉」**開始：1976 年，工業技術研究院（ITRI）與美國 RCA 簽約，派出第一批工程師。資料見 https://zh.wikipedia.org/wiki/台灣半導體產業。

## 三個階段

1. **奠基（1974–1986）**：政府主導，成立示範工廠。
2. **分工（1987–1999）**：晶圓代工讓設計與製造分開。
3. **領先（2000 年至今）**：先進製程的良率與規模。

> 晶圓代工不是接單，而是*「把別人的設計做得比他自己做得更好」*。

| 年份 | 公司 | 事件 | 製程（奈米） | 員工（人） | 備註 |
|---|---|---|--:|--:|---|
| 1980 | 聯華電子 | 成立，第一家民營晶片公司 | 4000 | 100 | 由工研院衍生 |
| 1987 | 台積電 | 成立，專業晶圓代工 | 3000 | 258 | 與飛利浦合資 |
| 1997 | 聯發科技 | 成立，IC 設計 | – | 20 | 由聯電分出 |

## 良率的算法

以卜瓦松模型估計，缺陷密度 \`D\`、面積 \`A\` 的良率是 \`exp(-A·D)\`：

\`\`\`python
from math import exp

def 良率(面積: float, 缺陷密度: float) -> float:
    """面積以平方公分計，缺陷密度以每平方公分計；這一行特別長，長到在手機上一定要能左右捲動才讀得完。"""
    return exp(-面積 * 缺陷密度)

print(f"{良率(1.0, 0.1):.1%}")  # 90.5%
\`\`\`

![製程演進圖](https://example.com/process.png)

- 延伸閱讀：[工研院的歷史](https://www.itri.org.tw/)
- 下一步：比較**韓國**與**日本**的政策
`;

const ENGLISH = `# Yield of a wafer

A die works if no *killer defect* lies on it. With defect density \`D\` and area \`A\`, the Poisson model gives **exp(−A·D)**.

## Models compared

| Model | Formula | Yield at 1 cm², D = 0.1 | Yield at 4 cm², D = 0.1 | Used for |
|---|---|--:|--:|---|
| Poisson | exp(−A·D) | 90.5 % | 67.0 % | small dice |
| Murphy | ((1 − exp(−A·D)) / (A·D))² | 90.6 % | 67.9 % | most of the industry |
| Seeds | 1 / (1 + A·D) | 90.9 % | 71.4 % | large dice |

1. Measure the defect density on test structures.
2. Choose the model for the size of the die.

\`\`\`ts
const poisson = (area: number, density: number): number => Math.exp(-area * density); // square centimetres, defects for each of them
\`\`\`

> A model is a summary of what was measured, not a replacement for it.
`;

const HOSTILE = `# <img src=x onerror="window.pwned=1">

<script>window.pwned=1</script> [x](javascript:window.pwned=1) ![spy](https://attacker.example/spy.png) </textarea></main><script>window.pwned=1</script>

\`\`\`"><script>window.pwned=1</script>
</code></pre><script>window.pwned=1</script>
\`\`\`

| a |
|:-:|
| <style>*{display:none}</style> |
`;

/** The turns before, the oldest first. */
const EARLIER = [
  {
    task_id: 'kimi-1764000001-6',
    task_name: '台灣半導體產業的歷史',
    prompt: '台灣的半導體產業是怎麼開始的？',
    output: '起點是 **1974 年**的「積體電路計畫」：政府決定由工研院引進 *CMOS* 技術，先設示範工廠。',
  },
  {
    task_id: 'kimi-1764000001-7',
    task_name: '台灣半導體產業的歷史',
    prompt: '哪些人最重要？請列成清單。',
    output: '- **潘文淵**：寫下計畫草案\n- **李國鼎**：推動政策\n- **張忠謀**：創立專業晶圓代工',
    continues: 'kimi-1764000001-6',
  },
  {
    task_id: 'kimi-1764000001-8',
    task_name: 'wafer-yield',
    prompt: 'What is a killer defect?',
    output: 'A defect that makes the die *fail*: a particle that bridges two lines, or an open contact.',
  },
  {
    task_id: 'kimi-1764000001-9',
    task_name: HOSTILE.slice(0, 60),
    prompt: HOSTILE,
    request: { system: HOSTILE },
    output: HOSTILE,
  },
];

/** A file that went with a question. */
export function attached(name: string, bytes: number): TaskFile {
  return { name, bytes, kind: 'document', stored_bytes: bytes, sha256: '', claim: '' };
}

/** Writes results with answers. @returns their task ids. */
export async function fillAnswers(
  folder: string,
): Promise<Record<'zh-TW' | 'en' | 'hostile' | 'huge' | 'broken', string>> {
  const results: ResultFile[] = [
    {
      ...COMMON,
      task_id: 'kimi-1764000001-1',
      task_name: '台灣半導體產業的歷史',
      prompt: '寫一篇三千字的文章，談台灣半導體產業的歷史。\n要有年表，也要有良率的算法與程式。',
      request: { system: '你是一位科技史學者。' },
      files: [attached('工研院四十年史.pdf', 4_812_330), attached('晶圓廠年表.xlsx', 38_214)],
      continues: 'kimi-1764000001-7',
      output: CHINESE,
      reasoning: '先列出年代，再想每個階段的代表公司……',
    },
    {
      ...COMMON,
      task_id: 'kimi-1764000001-2',
      task_name: 'wafer-yield',
      prompt: 'Explain the yield of a wafer, and compare the models.',
      files: [attached('defects-2026-11.csv', 18_090)],
      output: ENGLISH,
      continues: 'kimi-1764000001-8',
    },
    {
      ...COMMON,
      task_id: 'kimi-1764000001-3',
      task_name: '</title><script>window.pwned=1</script>',
      model: '"><script>window.pwned=1</script>',
      prompt: HOSTILE,
      request: { system: HOSTILE },
      output: HOSTILE,
      reasoning: HOSTILE,
      files: [attached(HOSTILE, 1)],
      continues: 'kimi-1764000001-9',
    },
    {
      ...COMMON,
      task_id: 'kimi-1764000001-4',
      task_name: 'huge',
      prompt: '很長的問題。'.repeat(10_000),
      output: '很長的答案，一段又一。\n\n'.repeat(400_000),
    },
    {
      ...COMMON,
      task_id: 'kimi-1764000001-5',
      task_name: 'broken',
      status: 'failed',
      error: { type: 'interrupted', message: 'the stream was interrupted' },
      partial_output: '第一段寫完了，**第二段**',
    },
    ...EARLIER.map((turn) => ({ ...COMMON, completed_at: '2026-11-24T11:40:12Z', ...turn })),
  ];
  await mkdir(folder, { recursive: true });
  for (const result of results) await writeFile(join(folder, `${result.task_id}.json`), JSON.stringify(result));
  const [chinese = '', english = '', hostile = '', huge = '', broken = ''] = results.map(({ task_id }) => task_id);
  return { 'zh-TW': chinese, en: english, hostile, huge, broken };
}
