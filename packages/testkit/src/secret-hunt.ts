/** Looks for secrets in text, in every spelling that code or a library is likely to give them. */
export interface SecretHunt {
  /** What was found, as `kind of secret, spelling`; empty when nothing was. */
  in(text: string): readonly string[];
  readonly kinds: readonly string[];
}

/**
 * @param secrets kind of secret, to those of that kind; each of at least 8 characters, or finding it would mean nothing
 */
export function huntFor(secrets: Readonly<Record<string, readonly string[]>>): SecretHunt {
  const sought = Object.entries(secrets).flatMap(([kind, ofKind]) => {
    if (ofKind.length === 0) throw new Error(`no ${kind} to look for`);
    return ofKind.flatMap((secret) => {
      if (secret.length < 8) throw new Error(`a ${kind} is too short to be looked for`);
      return [...spellingsOf(secret)].map(([spelling, text]) => ({ found: `${kind}, ${spelling}`, text }));
    });
  });
  return {
    kinds: Object.keys(secrets),
    in(text) {
      const lower = text.toLowerCase();
      const hits = sought.filter(({ found, text: part }) =>
        (/hex|percent/.test(found) ? lower : text).includes(part),
      );
      return [...new Set(hits.map(({ found }) => found))];
    },
  };
}

/** Raw, as JSON, in base64 and base64url wherever it begins in what was encoded, in hex, percent-encoded. */
export function spellingsOf(secret: string): ReadonlyMap<string, string> {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const spellings = new Map([
    ['raw', secret],
    ['as JSON', JSON.stringify(secret).slice(1, -1)],
    ['in hex', hex],
    ['percent-encoded', encodeURIComponent(secret).toLowerCase()],
    ['percent-encoded throughout', hex.replaceAll(/../g, '%$&')],
  ]);
  for (const [name, encoding] of [
    ['base64', 'base64'],
    ['base64url', 'base64url'],
  ] as const) {
    // Where it begins within a group of three bytes decides the letters; those shared with its neighbours are left out.
    for (const offset of [0, 1, 2]) {
      const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString(encoding);
      const whole = Math.floor(((offset + bytes.length) * 4) / 3);
      spellings.set(`in ${name} from byte ${offset}`, encoded.slice([0, 2, 3][offset], whole));
    }
  }
  return spellings;
}

/** A table in Markdown of what was found where: a row a place, a column a kind of secret. */
export function tableOfPlaces(
  kinds: readonly string[],
  places: readonly (readonly [place: string, findings: readonly string[]])[],
): string {
  const rows = places.map(([place, findings]) => [
    place,
    ...kinds.map(
      (kind) => findings.filter((finding) => finding.startsWith(`${kind}, `)).join('; ') || 'none',
    ),
  ]);
  return [['place', ...kinds], ['place', ...kinds].map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
