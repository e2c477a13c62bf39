import { sayCause } from '../../../text/system-errors.ts';
import type { CliText } from '../zh-TW/index.ts';

/** Errors in how a command was called. */
export const usage: CliText['usage'] = {
  unknownOption: (name, lookUp) => `There is no option ${name}. ${lookUp}`,
  unknownCommand: (name, lookUp) => `There is no command ${name}. ${lookUp}`,
  didYouMean: (names) => `Did you mean ${names}?`,
  listed: '--help lists them.',
  missingArgument: (name) => `${name} is missing. --help shows the usage.`,
  invalidValue: (name, wanted) => `The value of ${name} is invalid; ${wanted}.`,
  repeated: (name) => `${name} is given more than once; give one value only.`,
  other: (why) => why,
  emptyWord: 'A word to search for is empty, so nothing was searched; leave it out.',
  tooMany: (command, most, given) =>
    `Too many arguments: ${command} takes ${most} and got ${given}, so nothing was done. Put quotes around text with spaces.`,
  noPrompt: 'There is no prompt. Use -p "PROMPT", -f FILE, or -p - to read standard input.',
  oneFormat: 'Choose one format: --markdown, --json or --csv.',
  onePrompt: 'Give the prompt from one source only: an argument, -p, -f or --message.',
  tooLong: (bytes, limit, continues) =>
    continues === undefined
      ? `The prompt has ${bytes} bytes; the limit is ${limit}. Shorten it.`
      : `The conversation up to ${continues} has ${bytes} bytes with the new prompt; the limit is ${limit}. Continue an earlier task, or start a new one with a summary.`,
  inputTooLong: (name = 'Standard input', limit) => `${name} has more than ${limit} bytes, the limit. Shorten it.`,
  notText: (file) => `${file} is not a UTF-8 text file; --attach takes files in other encodings.`,
  noTrigger:
    'The message does not start with Kimi:, Kimi： or "kimi ", or nothing follows, so it is not a task for Kimi.',
  unreadable: (file, why) => `Cannot read ${file} (${sayCause(why, 'en')}).`,
  badReceiver: (why) => `Nothing was sent: ${why}.`,
  badName:
    'A task name has letters, digits, spaces and . _ - only, starts and ends with a letter or digit, and is at most 64 characters long. It is not last, a number or the beginning of an id (kimi-1), which name another task.',
  badTaskId: (id) =>
    `${id} is neither a task id nor a task name; ids look like kimi-1707654321-12345, those of late answers like kimi-1707654321-12345-late. kimi-dispatch list shows the tasks.`,
  duration: 'it needs a unit, e.g. 120s, 5m or 1h, and is at most 24 hours',
  model: 'it must have 1 to 128 characters without spaces',
  temperature: 'it must be a number from 0 to 2',
  amount: 'it must be an amount of 0.0001 or more, e.g. 0.5, without a currency',
  maxTokens: 'it must be an integer from 1 to 9999999',
  tools: (names: string) => `it must be of ${names}, separated by commas`,
  thinking: 'it must be on, off, or an effort that the model supports, e.g. low',
  emptyFile: (file) => `${file} is empty.`,
  unusableFile: (file, why, most) =>
    ({
      empty: `${file} is empty, so it cannot be attached.`,
      folder: `${file} is a folder, so it cannot be attached; attach the files in it.`,
      no_file: `${file} is a device or a pipe and no file, so it cannot be attached; write its content to a file.`,
      too_large: `${file} is over ${most} bytes, the most that a file may have; attach a part of it.`,
      too_long: `${file} has more than ${most} bytes of text, which fits no model; attach a part of it.`,
      unknown: `${file} is neither text nor a picture (PNG, JPEG, GIF, WebP, BMP) nor a document (PDF, Office, OpenDocument, EPUB), so it cannot be attached; save it as one of these.`,
      old_format: `${file} is in a format that only Moonshot reads; save it as DOCX, XLSX, PPTX, EPUB or PDF.`,
      no_text: `${file} has no text: its pages may be scanned. Attach the pages as pictures (PNG or JPEG), or run text recognition over it first.`,
      scanned: `${file} has scanned pages and no text, and the model is not known to take pictures. Use one that does, e.g. -m kimi-k2.6, attach the pages as pictures (PNG or JPEG), or run text recognition over it first.`,
      blank: `${file} has no text; if it has pictures, attach them (PNG or JPEG) by themselves.`,
      unpacked: `${file} has more than 200 MB when it is unpacked; attach a part of it.`,
      locked: `${file} is protected with a password, so it cannot be read; save it without one.`,
      damaged: `${file} is damaged and cannot be read; open it in its program and save it again.`,
    })[why] ?? `${file} is too hard to read; save it as text or PDF.`,
  tooManyFiles: (files, most) => `${files} files are attached, and ${most} are the most; attach fewer.`,
  filesTooLarge: (bytes, most, images) =>
    `The attached ${images ? 'pictures' : 'files'} have ${bytes} bytes together; the limit is ${most}. Attach fewer or smaller ones.`,
  notSchema: (file) =>
    `${file} is no JSON Schema; it has to be a JSON object with keywords such as type, properties or $ref, e.g. {"type":"object","properties":{}}.`,
  priority: 'it must be a number from 1 to 5',
  route: 'it must be a chat as JSON with channel and to, e.g. {"channel":"telegram","to":"4242"}',
  limit: 'it must be an integer from 0 to 100000; 0 is no limit',
  age: 'it needs a unit, e.g. 30d, 12h or 1y, and is at most 100y',
  choices: (words) => `it must be one of ${words}`,
  states: (known) =>
    `they must be ${known.map(([state, shown]) => (state === shown ? state : `${state} (${shown})`)).join(', ')}, separated by commas`,
  grouping: 'it must be model, day or name',
  count: 'it must be an integer from 1 to 10000',
};
