import { type Charset, charsetOf } from '../text-validator.ts';
import { fault, type RequestFault } from '../request-fault.ts';

/** What the Content-Type of a multipart body says: where its parts end, and how their text is coded. */
export interface MultipartType {
  readonly boundary: string;
  readonly charset: Charset | null;
}

const TYPE = 'multipart/form-data';
/** No white space but one space after a semicolon: some readers keep what stands before the next one. */
const PARAMETER = /; ?([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"([^"\\]*)")/y;
/**
 * Signs that no reader takes for the end of the boundary, for a quote or for a code. RFC 2046 section 5.1.1 knows more,
 * and readers differ about each of them: some end a boundary at a comma, decode `=?`, or strip blanks and quotes.
 */
const BOUNDARY = /^[0-9A-Za-z+._-]{1,70}$/;
/** `=` and `/` are no token (RFC 9110 section 5.6.2), so they only come in quotes: JavaMail's, Python's email's, Qt's base64. */
const QUOTED_BOUNDARY = /^[0-9A-Za-z+./_=-]{1,70}$/;

/** Reads the Content-Type of a multipart body in the one shape that all readers take apart alike. */
export function parseMultipartType(text: string): MultipartType | RequestFault {
  if (!text.startsWith(TYPE))
    return unclear('The Content-Type of the body is not spelled multipart/form-data, in lower case.');
  const values = new Map<string, string>();
  let at = TYPE.length;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(text);
    const [, name = '', token, quoted = ''] = found ?? [];
    if (found === null || !['boundary', 'charset'].includes(name) || values.has(name)) {
      return unclear(
        'Readers differ about the parameters of the Content-Type. Send a boundary and at most a charset, each once, as in multipart/form-data; boundary=a1b2c3.',
      );
    }
    if (name === 'boundary' && !(token === undefined ? QUOTED_BOUNDARY : BOUNDARY).test(token ?? quoted)) {
      return unclear(
        'Readers differ about the boundary. Use 1 to 70 letters, digits and + . _ - (in quotes = and / too).',
      );
    }
    values.set(name, token ?? quoted);
    at = PARAMETER.lastIndex;
  }
  const boundary = values.get('boundary');
  if (boundary === undefined)
    return unclear(
      'The Content-Type of the body has no boundary. Let the client that writes the form set it.',
    );
  const charset = charsetOf(values.get('charset'));
  if (charset === 'other') {
    return unclear('The Content-Type of the body names another charset than UTF-8. Send text in UTF-8.');
  }
  return { boundary, charset };
}

function unclear(detail: string): RequestFault {
  return fault('invalid-body', 'multipart-boundary', detail);
}
