/** Which encoding of East Asia a text is in: by its characters, since statistics of bytes need more text than a short file has. */

interface Encoding {
  name: string;
  /** Lead bytes of the plane of everyday characters. */
  plane: readonly [number, number];
  /** Lowest trail byte of that plane. */
  trail: number;
  /** The most frequent characters, with those of a language that are outside the plane. */
  frequent: string;
}

const KANA =
  'ーあいうえおかがきぎくぐけげこごさざしじすずせそぞただちっつてでとどなにぬねのはばびぶへべほぼまみむめもやゆよらりるれろわをん' +
  'アイウエオカガキギクグケゲコゴサザシジスズセゼソタダチッツテデトドナニネノハバパビピフブプベペホボポマミムメモャヤュユョヨラリルレロワン';

/** Where two fit equally well, the earlier one is taken. */
const ENCODINGS: readonly Encoding[] = [
  {
    name: 'Big5',
    plane: [0xa4, 0xc6],
    trail: 0x40,
    // Written Cantonese, whose own characters are outside the plane, comes last.
    frequent:
      '的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走各入幾口認條平氣題活更別打女變四總何電數安少報才結反受目太量再感建務做接必場件計管期市直資山金指許區保至形社便空請謝早晚錢貨差退單號北京台灣' +
      '佢哋嘅嘢咗喺咁啲唔冇俾嗰啱嚟攞佬靚啦',
  },
  {
    name: 'GB18030',
    plane: [0xb0, 0xd7],
    trail: 0xa1,
    frequent:
      '的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产或新己制身果加西月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走各入几口认条平气题活更别打女变四总何电数安少报才结反受目太量再感建务做接必场件计管期市直资山金指许区保至形社便空请谢早晚钱货差退单号北京台湾',
  },
  { name: 'Shift_JIS', plane: [0x88, 0x98], trail: 0x40, frequent: KANA },
  {
    name: 'EUC-KR',
    plane: [0xb0, 0xc8],
    trail: 0xa1,
    frequent:
      '가개거것게겠결경계고공과관구국군권그금기김까나내너년는니다단당대더데도동되된두드든들등때라람러려력로록료르를리마만많말맞매며면명모목무문물미민바받발방배번법변보본부분불비사산상생서선성세소속송수스습시식신실심아안않알야약양어언업없에여연였영오와요용우운울원위유으은을음의이인일있자작잘장재저적전정제조좋주준중지진질차책처천철청체초최추출치카크타터토통트특파편포표품프하학한할함합해했행현호화환회후히',
  },
  { name: 'EUC-JP', plane: [0xb0, 0xcf], trail: 0xa1, frequent: KANA },
];

/** Bytes of a long file that are looked at. */
const SAMPLE_BYTES = 256 * 1024;

/** @returns the encodings that the bytes may be in, the likeliest first. */
export function eastAsian(bytes: Uint8Array): string[] {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  return ENCODINGS.map((encoding) => ({ name: encoding.name, score: scoreOf(encoding, sample) }))
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score)
    .map(({ name }) => name);
}

/** @returns how much of the text are everyday characters, and how much are frequent ones; 0 if most are neither. */
function scoreOf(encoding: Encoding, bytes: Uint8Array): number {
  let text: string;
  try {
    text = new TextDecoder(encoding.name, { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return 0;
  }
  const frequent = new Set(encoding.frequent);
  const everyday = everydayOf(encoding);
  let [all, known, common] = [0, 0, 0];
  for (const [character] of text.replaceAll(ACCENTED, '\uFFFD').matchAll(COUNTED)) {
    all += 1;
    if (frequent.has(character)) common += 1;
    if (frequent.has(character) || everyday.has(character)) known += 1;
  }
  return known * 2 > all ? (known + common) / all : 0;
}

/** Punctuation and full-width forms are in all of these encodings. */
const COUNTED = /[^\0-\x7F\u3000-\u303F\uFF01-\uFF5E]/gu;

/** One character alone at a small letter: an accented letter of a Western word, with the letter after it. */
const ACCENTED = /(?<=[a-z])[^\0-\x7F](?![^\0-\x7F])|(?<![^\0-\x7F])[^\0-\x7F](?=[a-z])/gu;

/** After each pair, so that one that is no character does not take a byte of the next. */
const LINE_END = 0x0a;

const planes = new Map<string, ReadonlySet<string>>();

function everydayOf({ name, plane: [first, last], trail }: Encoding): ReadonlySet<string> {
  const known = planes.get(name);
  if (known) return known;
  const leads = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const trails = Array.from({ length: 0xff - trail }, (_, index) => trail + index);
  const plane = Uint8Array.from(leads.flatMap((lead) => trails.flatMap((second) => [lead, second, LINE_END])));
  const characters = new Set(new TextDecoder(name).decode(plane).match(/[\p{Script=Han}\p{Script=Hangul}]/gu));
  planes.set(name, characters);
  return characters;
}
