/** A media type read strictly (RFC 9110 section 8.3.1): names in lower case, values as sent. */
export interface MediaType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+/;
const PARAMETER = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"([^"\\]*)")/y;

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

/** Whether it is JSON by name: `…/json`, or the suffix of RFC 6839 section 3.1. */
export function isJsonType(media: MediaType): boolean {
  return media.type.endsWith('/json') || media.type.endsWith('+json');
}
