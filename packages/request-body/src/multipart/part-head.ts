import { type MediaType, parseMediaType } from '../media-type.ts';
import { type PartLabel, partFault } from './part-fault.ts';
import type { RequestFault, RequestFaultReason } from '../request-fault.ts';
import { type Charset, charsetOf } from '../text-validator.ts';

/** What the head of one part says (RFC 7578 section 4). */
export interface PartHead extends PartLabel {
  /** Letters, digits, `_` and `-`. */
  readonly name: string;
  /** `plain`: with a `filename`. `extended`: with `filename*` alone, which some readers don't know: text to them. */
  readonly file: 'none' | 'plain' | 'extended';
  readonly contentType: MediaType | null;
  /** Of its Content-Type; `other` only in files. */
  readonly charset: Charset | 'other' | null;
  readonly contentLength: number | null;
  /** Whether it says so in its Content-Transfer-Encoding, by which some readers decode text. */
  readonly binary: boolean;
}

/** A head that readers could take apart differently. */
export interface AmbiguousHead {
  readonly fault: RequestFault;
  /** The name that a lenient reader would find in it, or null. */
  readonly lenientName: string | null;
}

/**
 * A field line as clients write it: first letters large or none, one space. Some readers search for the colon and the
 * space, some don't know other letter cases, and some look for a field in the value or the name of another.
 */
const FIELD_LINE =
  /^([Cc]ontent-(?:[Dd]isposition|[Tt]ype|[Ll]ength|[Tt]ransfer-[Ee]ncoding)): ([!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?)$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}(?=:)/;
const FIELDS = 'Content-Disposition, Content-Type, Content-Length and Content-Transfer-Encoding';

const NAME = /; name=(?:"([0-9A-Za-z_-]+)"|([0-9A-Za-z_-]+)(?=;|$))/y;
/**
 * Backslashes are either as they stand or, once, before a quote: readers agree where `\"` leaves them, but not whether the
 * quote in `\\"` ends the name. Without quotes, CGI.pm takes it for no file if it doesn't know the first sign.
 */
const FILE_NAME =
  /; filename=(?:"((?:[^"\\]|\\+(?=[^"\\])|(?<!\\)\\")*)"|([!#'*+.^_`|~0-9A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]*)(?=;|$))/y;
/** RFC 8187, in the one charset and without the language, which not every reader knows. */
const EXTENDED_FILE_NAME = /; filename\*=utf-8''(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})+(?=;|$)/iy;
/** RFC 2183 sections 2.4 to 2.7: what Jersey adds to a file, and no reader of forms looks at. */
const OF_A_FILE =
  /; (size)=[0-9]{1,15}(?=;|$)|; ((?:creation|modification|read)-date)="[0-9A-Za-z ,:+-]{1,40}"/y;

/** What a reader that searches for `name=` instead of reading from left to right would take for a parameter. */
const NESTED_NAME = /name[*0-9 \t]*=/i;
/** What a lenient reader would take for the name, for a word about it. */
const LENIENT_NAME = /^content-disposition\s*:.*?[;\s]name\s*=\s*("[^"]*"|[^;\s]*)/im;
/** Transfer encodings that encode nothing (RFC 2045 section 6.2). */
const IDENTITY = /^(?:7bit|8bit|binary)$/i;

/**
 * Reads a part's head: its lines without the last CRLF, as Latin-1 text. Nothing but what no two readers take apart
 * differently: the four fields of RFC 7578 (sections 4.2, 4.4, 4.7, 4.8), each once, in the shape that clients write.
 * @param position of the part, from 1
 */
export function parsePartHead(
  block: string,
  position: number,
  maxNameBytes: number,
): PartHead | AmbiguousHead {
  const lenientName = LENIENT_NAME.exec(block)?.[1]?.replaceAll('"', '') ?? null;
  const ambiguous = (reason: RequestFaultReason, what: string, remedy: string): AmbiguousHead => ({
    lenientName,
    fault: partFault(reason, { position, name: lenientName }, what, remedy),
  });
  const fields = new Map<string, string>();
  for (const line of block.split('\r\n')) {
    const [, name, value] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return ambiguous('part-headers', ...lineFault(line));
    const key = name.toLowerCase();
    if (fields.has(key)) return ambiguous('part-headers', `repeats ${name}`, 'Send each header field once.');
    fields.set(key, value);
  }
  const disposition = parseDisposition(fields.get('content-disposition') ?? '', maxNameBytes);
  if ('reason' in disposition) return ambiguous(disposition.reason, disposition.what, disposition.remedy);
  const typeText = fields.get('content-type');
  const contentType = typeText === undefined ? null : parseMediaType(typeText);
  if (typeText !== undefined && (contentType === null || NESTED_NAME.test(typeText))) {
    return ambiguous(
      'part-content-type',
      'has a Content-Type that cannot be read with certainty',
      'Send a plain one, such as text/plain or image/png.',
    );
  }
  const lengthText = fields.get('content-length');
  if (lengthText !== undefined && !/^\d{1,15}$/.test(lengthText)) {
    return ambiguous(
      'part-length',
      'has a Content-Length that is no number',
      'Leave it out, or send its length.',
    );
  }
  const encoding = fields.get('content-transfer-encoding');
  if (encoding !== undefined && !IDENTITY.test(encoding)) {
    return ambiguous(
      'part-transfer-encoding',
      'has a Content-Transfer-Encoding that not every reader undoes',
      'Send its bytes as they are, with 8bit, binary or no such field.',
    );
  }
  return {
    ...disposition,
    position,
    contentType,
    charset: charsetOf(contentType?.parameters.get('charset')),
    contentLength: lengthText === undefined ? null : Number(lengthText),
    binary: encoding?.toLowerCase() === 'binary',
  };
}

function lineFault(line: string): [what: string, remedy: string] {
  const name = FIELD_NAME.exec(line)?.[0];
  if (name === undefined)
    return [
      'has a header line that is no field',
      'Write each field on one line, as in Content-Type: image/png.',
    ];
  const known = /^content-(?:disposition|type|length|transfer-encoding)$/i.test(name);
  return known
    ? [
        `has the field ${name} in an unusual shape`,
        'Write it as in Content-Type: image/png, with one space after the colon, and no control characters.',
      ]
    : [`has the field ${name}, which some readers take for another`, `Send only ${FIELDS}.`];
}

interface DispositionFault {
  readonly reason: RequestFaultReason;
  readonly what: string;
  readonly remedy: string;
}

/** `form-data; name="…"` with at most one `filename` and one `filename*`, in any order; nothing that hides a name. */
function parseDisposition(
  text: string,
  maxNameBytes: number,
): Pick<PartHead, 'name' | 'file'> | DispositionFault {
  if (!text.startsWith('form-data;')) {
    return unlike(
      'lacks Content-Disposition: form-data with a name',
      'Begin its head with Content-Disposition: form-data; name="…".',
    );
  }
  const values = new Map<string, string>();
  let at = 'form-data'.length;
  while (at < text.length) {
    const [parameter, value, end] = parameterAt(text, at) ?? [];
    if (parameter === undefined || value === undefined || end === undefined)
      return unreadable(text.slice(at));
    if (values.has(parameter))
      return unlike(`repeats ${parameter} in its Content-Disposition`, 'Send each parameter once.');
    // Before the name, a colon hides it from Rack, an escaped quote from Django, an apostrophe from PHP.
    if (parameter === 'name' && /[:\\']/.test(text.slice(0, at))) {
      return unlike(
        'has a colon, backslash or apostrophe before its name, which some readers do not see then',
        'Send the name first, as in form-data; name="image"; filename="a.png".',
      );
    }
    if (NESTED_NAME.test(value)) {
      return unlike(
        'has what looks like a name inside another value',
        'Send the file under another file name.',
      );
    }
    values.set(parameter, value);
    at = end;
  }
  const name = values.get('name') ?? '';
  if (name === '') return unlike('has no name', 'Send Content-Disposition: form-data; name="…".');
  if (name.length > maxNameBytes)
    return unlike('has too long a name', `Use at most ${maxNameBytes} letters.`);
  const order = OBEYED.get(name.toLowerCase());
  if (order !== undefined) {
    const reason = name.toLowerCase() === '_charset_' ? 'part-charset' : 'part-disposition';
    return { reason, what: `is named ${name}`, remedy: order };
  }
  const filename = values.get('filename');
  if (filename === '') {
    return unlike(
      'has an empty file name, which is a file to some readers and none to others',
      'Leave the part out, or give the file a name.',
    );
  }
  if (filename !== undefined && !isFileName(filename)) {
    return unlike(
      'has a file name in which some readers see no file',
      'Send the file under another file name, such as a.png.',
    );
  }
  if (filename !== undefined) return { name, file: 'plain' };
  return { name, file: values.has('filename*') ? 'extended' : 'none' };
}

/**
 * Whether every reader finds a file of that name. aiohttp splits at semicolons first, and mends one of them. Django
 * counts quotes, escaped or not, to see whether a semicolon ends the file name, and leaves out a file without a name of
 * its own behind the last slash, entities of HTML read first.
 */
function isFileName(filename: string): boolean {
  if (filename.split(';').length > 2 && filename.includes('=')) return false;
  for (let at = filename.indexOf(';'); at >= 0; at = filename.indexOf(';', at + 1)) {
    if (filename.slice(0, at).split('"').length % 2 === 0) return false;
  }
  const last = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1);
  const bytes = Uint8Array.from(last, (character) => character.charCodeAt(0));
  return VISIBLE.test(new TextDecoder().decode(bytes)) && !ENTITY_AT_END.test(last);
}

const VISIBLE = /[\p{L}\p{N}\p{S}_-]/u;
const ENTITY_AT_END = /&(?:#\w*|b?sol);?$/i;

/** Names that some readers obey instead of handing them on. */
const OBEYED: ReadonlyMap<string, string> = new Map([
  // RFC 7578 section 4.6.
  ['_charset_', 'It sets the charset of the other parts for some readers. Leave it out, and send UTF-8.'],
  ['_method', 'It sets the method of the call for some readers. Leave it out.'],
  ['max_file_size', 'It sets the largest file for some readers. Leave it out.'],
  ['__proto__', 'Some readers lose it. Leave it out.'],
]);

type Parameter = [name: string, value: string, end: number];

function parameterAt(text: string, at: number): Parameter | null {
  for (const [name, pattern] of [
    ['name', NAME],
    ['filename', FILE_NAME],
    ['filename*', EXTENDED_FILE_NAME],
    ['', OF_A_FILE],
  ] as const) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) continue;
    if (name === '') return [found[1] ?? found[2] ?? '', '', pattern.lastIndex];
    return [name, name === 'filename*' ? '' : (found[1] ?? found[2] ?? ''), pattern.lastIndex];
  }
  return null;
}

function unreadable(rest: string): DispositionFault {
  if (/^; ?name=/.test(rest)) {
    return unlike(
      'has a name that readers take apart differently',
      'Names are of letters, digits, _ and -; send each value of a list under the name itself, without [].',
    );
  }
  if (/^; ?filename\*/.test(rest))
    return unlike('has a filename* that cannot be read', "Send it as in filename*=UTF-8''a%20b.png.");
  // Behind a quote something else than a semicolon stands: the quote was meant to be part of a name.
  if (/^; ?filename=|^[^; ]|^ +[^; ]/.test(rest)) {
    return unlike(
      'has a file name with quotes or backslashes that readers take apart differently',
      'Write a quote as %22, and leave out a backslash before a quote.',
    );
  }
  return unlike(
    'has a Content-Disposition with an unusual parameter, or spaced unusually',
    'Write it as in Content-Disposition: form-data; name="image"; filename="a.png".',
  );
}

function unlike(what: string, remedy: string): DispositionFault {
  return { reason: 'part-disposition', what, remedy };
}
