import type { Lang } from '../shared/task.ts';

/** The meaning of the codes of the operating system and of Node, as part of a sentence, e.g. in parentheses. */
const WORDS: Record<Lang, Record<string, string>> = {
  en: {
    EACCES: 'no permission',
    EADDRINUSE: 'it is taken',
    EADDRNOTAVAIL: 'this machine has no such address',
    EAI_AGAIN: 'the name cannot be resolved now',
    ECONNREFUSED: 'nothing listens there',
    ECONNRESET: 'the connection was reset',
    EDQUOT: 'the disk quota is used up',
    EEXIST: 'it exists',
    EHOSTUNREACH: 'there is no route to it',
    EIO: 'the disk has an error',
    EISDIR: 'it is a folder',
    ELOOP: 'its symbolic links go in a circle',
    EMFILE: 'too many files are open',
    ENAMETOOLONG: 'its name is too long',
    ENETUNREACH: 'the network is unreachable',
    ENOENT: 'it does not exist',
    ENOSPC: 'the disk is full',
    ENOTDIR: 'its path leads through a file',
    ENOTFOUND: 'there is no such host',
    EPERM: 'no permission',
    EPIPE: 'the connection was closed',
    EROFS: 'the disk is read-only',
    ETIMEDOUT: 'no answer in time',
    ETXTBSY: 'the file is in use',
    UND_ERR_BODY_TIMEOUT: 'no more data in time',
    UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
    UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
    UND_ERR_SOCKET: 'the connection was closed',
  },
  'zh-TW': {
    EACCES: '沒有權限',
    EADDRINUSE: '已被占用',
    EADDRNOTAVAIL: '這台機器沒有這個位址',
    EAI_AGAIN: '現在無法解析這個名稱',
    ECONNREFUSED: '那裡沒有程式在監聽',
    ECONNRESET: '連線被重設',
    EDQUOT: '磁碟配額已用完',
    EEXIST: '已經存在',
    EHOSTUNREACH: '沒有通往那裡的路由',
    EIO: '磁碟發生錯誤',
    EISDIR: '那是資料夾',
    ELOOP: '符號連結互相指向',
    EMFILE: '開啟的檔案太多',
    ENAMETOOLONG: '名稱太長',
    ENETUNREACH: '網路無法連線',
    ENOENT: '不存在',
    ENOSPC: '磁碟已滿',
    ENOTDIR: '路徑中有一段不是資料夾',
    ENOTFOUND: '沒有這個主機',
    EPERM: '沒有權限',
    EPIPE: '連線已關閉',
    EROFS: '磁碟是唯讀的',
    ETIMEDOUT: '沒有及時回應',
    ETXTBSY: '檔案正在使用中',
    UND_ERR_BODY_TIMEOUT: '資料沒有及時送完',
    UND_ERR_CONNECT_TIMEOUT: '沒有及時回應',
    UND_ERR_HEADERS_TIMEOUT: '沒有及時回應',
    UND_ERR_SOCKET: '連線已關閉',
  },
};

const OTHER: Record<Lang, (code: string) => string> = {
  en: (code) => `error ${code}`,
  'zh-TW': (code) => `錯誤代碼 ${code}`,
};

/** @returns what a code such as `ENOENT` means; `error CODE` if it has no words. */
export function sayCode(code: string, lang: Lang): string {
  const words = WORDS[lang];
  return Object.hasOwn(words, code) ? (words[code] as string) : OTHER[lang](code);
}

/** @returns what a code means; other words as they are, quoted in Chinese. */
export function sayCause(cause: string, lang: Lang): string {
  if (/^[A-Z][A-Z\d_]+$/.test(cause)) return sayCode(cause, lang);
  return lang === 'en' ? cause : `「${cause}」`;
}
