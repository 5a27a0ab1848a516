/** A media type read strictly (RFC 9110 section 8.3.1): names in lower case, values as sent. */
export interface MediaType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+/;
const PARAMETER = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"([^"\\]*)")/y;
/** RFC 2046 section 5.1.1: 1 to 70 of these, the last no space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** Null when the text has more than one meaning: repeated parameters, escapes in quotes, anything left over. */
export function parseMediaType(text: string): MediaType | null {
  if (text.length > 512 || !/^[\t\x20-\x7e]*$/.test(text)) return null;
  const type = TYPE.exec(text)?.[0];
  if (type === undefined) return null;
  const parameters = new Map<string, string>();
  let at = type.length;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(text);
    if (found === null) return null;
    const name = (found[1] ?? '').toLowerCase();
    if (parameters.has(name)) return null;
    parameters.set(name, found[2] ?? found[3] ?? '');
    at = PARAMETER.lastIndex;
  }
  return { type: type.toLowerCase(), parameters };
}

/** The boundary of a multipart type whose only parameter it is, or null. */
export function boundaryOf(media: MediaType): string | null {
  const boundary = media.parameters.get('boundary');
  if (boundary === undefined || media.parameters.size !== 1 || mayBeEncodedWord(boundary)) return null;
  return BOUNDARY.test(boundary) ? boundary : null;
}

/**
 * An encoded word (RFC 2047 section 2). It has no place in a quoted string (section 5), yet some widely used readers
 * decode every parameter of a header, and would see another boundary or another name.
 */
export function mayBeEncodedWord(text: string): boolean {
  return text.includes('=?');
}

export function isJsonType(media: MediaType): boolean {
  return media.type.endsWith('/json') || media.type.endsWith('+json');
}
