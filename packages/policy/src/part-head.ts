import { mayBeEncodedWord, type MediaType, parseMediaType } from './media-type.ts';
import { fault, type RequestFault, type RequestFaultReason } from './request-fault.ts';

/** What the header of one part says (RFC 7578 section 4). */
export interface PartHead {
  /** Printable ASCII, no quotes or backslashes. */
  readonly name: string;
  /** `plain`: `filename="…"`, so every reader sees a file. `unclear`: only `filename*`, or an empty name. */
  readonly file: 'none' | 'plain' | 'unclear';
  /** A name without quotes: legal, and some clients write it, but some readers do not see it. */
  readonly unquoted: boolean;
  readonly contentType: MediaType | null;
  /** In lower case; null when absent. */
  readonly transferEncoding: string | null;
  readonly contentLength: number | null;
  /** True when there are fields beside those that RFC 7578 knows. */
  readonly others: boolean;
}

const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$/s;
const PLAIN_PARAMETER = /;[ \t]*([a-zA-Z]+)="([^"\\]*)"/y;
const BARE_PARAMETER = /;[ \t]*(name|filename)=([!#$&+.^_`|~0-9A-Za-z-]+)/iy;
/** What a reader that searches for `name=` instead of reading from left to right would take for a parameter. */
const NESTED_NAME = /name\*?[ \t]*=/i;
const EXTENDED_FILENAME = /;[ \t]*(filename\*)=([!#$&+.^_`|~0-9A-Za-z'%-]+)/iy;

/** Reads the lines of a part's header, each without its CRLF and as Latin-1 text; one meaning or a fault. */
export function parsePartHead(block: string, maxNameBytes: number): PartHead | RequestFault {
  const fields = new Map<string, string>();
  for (const line of block.split('\r\n')) {
    const found = FIELD_LINE.exec(line);
    // A folded line begins with white space and so is no field line.
    if (found === null) return broken('part-headers', 'a part has a header line that is no field');
    const name = (found[1] ?? '').toLowerCase();
    const value = trimBlanks(found[2] ?? '');
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      return broken('part-headers', 'a part has a control character in its header');
    }
    if (fields.has(name)) return broken('part-headers', 'a part repeats a header field');
    fields.set(name, value);
  }
  const disposition = parseDisposition(fields.get('content-disposition'), maxNameBytes);
  if ('problem' in disposition) return disposition;
  const typeText = fields.get('content-type');
  const contentType = typeText === undefined ? null : parseMediaType(typeText);
  if (typeText !== undefined && contentType === null) {
    return broken('part-content-type', 'a part has a Content-Type that cannot be read');
  }
  const lengthText = fields.get('content-length');
  if (lengthText !== undefined && !/^\d{1,15}$/.test(lengthText)) {
    return broken('part-length', 'a part has a Content-Length that is no number');
  }
  if (fields.has('content-encoding')) return broken('part-headers', 'a part is encoded');
  const transferEncoding = fields.get('content-transfer-encoding');
  const known = ['content-disposition', 'content-type', 'content-length', 'content-transfer-encoding'];
  return {
    ...disposition,
    contentType,
    transferEncoding: transferEncoding?.toLowerCase() ?? null,
    contentLength: lengthText === undefined ? null : Number(lengthText),
    others: [...fields.keys()].some((name) => !known.includes(name)),
  };
}

/**
 * `form-data; name="…"` with at most one `filename` and one `filename*`. No escapes in quotes: readers disagree
 * whether `\"` ends a string, and so on where the next parameter begins. `name*` is no parameter here.
 */
function parseDisposition(
  text: string | undefined,
  maxNameBytes: number,
): Pick<PartHead, 'name' | 'file' | 'unquoted'> | RequestFault {
  const start = /^form-data(?=;)/i.exec(text ?? '')?.[0];
  if (text === undefined || start === undefined) {
    return broken('part-disposition', 'a part lacks Content-Disposition: form-data with a name');
  }
  const parameters = new Map<string, string>();
  let unquoted = false;
  let at = start.length;
  while (at < text.length) {
    const bare = execAt(BARE_PARAMETER, text, at);
    const found = bare ?? execAt(PLAIN_PARAMETER, text, at) ?? execAt(EXTENDED_FILENAME, text, at);
    const name = (found?.[1] ?? '').toLowerCase();
    if (found === null || !['name', 'filename', 'filename*'].includes(name)) {
      return broken(
        'part-disposition',
        'a part has a Content-Disposition with an unusual parameter or escape',
      );
    }
    if (parameters.has(name))
      return broken('part-disposition', 'a part repeats a Content-Disposition parameter');
    const value = found[2] ?? '';
    if (NESTED_NAME.test(value))
      return broken('part-disposition', 'a part has what looks like a name inside another value');
    parameters.set(name, value);
    unquoted ||= bare !== null;
    at += found[0].length;
  }
  const name = parameters.get('name') ?? '';
  if (name === '' || name.length > maxNameBytes || !/^[\x20-\x7e]+$/.test(name)) {
    return broken(
      'part-disposition',
      `a part needs a name of 1 to ${maxNameBytes} printable ASCII characters`,
    );
  }
  if (mayBeEncodedWord(name)) return broken('part-disposition', 'a part has an encoded word for a name');
  const filename = parameters.get('filename');
  const mentioned = filename !== undefined || parameters.has('filename*');
  const file = !mentioned ? 'none' : filename === undefined || filename === '' ? 'unclear' : 'plain';
  return { name, file, unquoted };
}

function execAt(sticky: RegExp, text: string, at: number): RegExpExecArray | null {
  sticky.lastIndex = at;
  return sticky.exec(text);
}

/** Without spaces and tabs around it; `trim` would take more than HTTP calls white space. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === ' ' || text[start] === '\t')) start++;
  while (end > start && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--;
  return text.slice(start, end);
}

function broken(reason: RequestFaultReason, what: string): RequestFault {
  return fault('invalid-body', reason, `In the multipart body ${what}.`);
}
