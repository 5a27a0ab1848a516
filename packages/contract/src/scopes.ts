/**
 * Every scope there is, with a line of meaning. A `read:` scope never changes anything at Ideogram and never
 * costs money; whatever bills or changes is `write:`.
 */
export const SCOPES = {
  'read:account': "See the account's API keys, invoices, usage and asset references.",
  'read:datasets': 'List and read training datasets.',
  'read:generations': 'Poll an asynchronous generation for its result.',
  'read:models': 'List and read custom models.',
  'read:provenance': 'Ask whether Ideogram made a file.',
  'read:quote': 'Price a v2 call with exactly ?dry_run=true: nothing runs, nothing is billed.',
  'read:webhook-keys': 'Fetch the public keys that verify webhook signatures.',
  'write:assets': 'Redeem a signed asset reference.',
  'write:datasets': 'Create datasets and upload training images.',
  'write:describe': 'Describe an image in words (billed).',
  'write:edit': 'Edit, inpaint, or remove an object from an image.',
  'write:generate': 'Make images from a prompt.',
  'write:layerize': 'Split an image into layers or text blocks.',
  'write:prompt': 'Expand or rewrite a prompt.',
  'write:reframe': 'Extend an image to another shape.',
  'write:remix': 'Make images from an image and a prompt.',
  'write:remove-background': 'Cut the foreground out of an image.',
  'write:replace-background': 'Put another background behind an image.',
  'write:tool': "Run one of Ideogram's packaged tools.",
  'write:train': 'Train a custom model (billed per run).',
  'write:upscale': 'Enlarge an image.',
  'write:video': 'Make or edit video.',
  'write:workflow': "Run one of Ideogram's packaged workflows.",
} as const satisfies Record<`${'read' | 'write'}:${string}`, string>;

/** A plain scope: the only kind that means anything in a token. */
export type ScopeName = keyof typeof SCOPES;

/** `read:*` is every `read:` scope; `write:limited` is write operations inside their *limited* bounds only. */
export const WILDCARDS = ['read:*', 'write:limited'] as const;
/** One of `WILDCARDS`: it stands in policy, and grants nothing in a token. */
export type Wildcard = (typeof WILDCARDS)[number];

/** What a policy file may write in a ceiling or a grant. */
export type ScopePattern = ScopeName | Wildcard;

/** All plain scopes, in the order of the table. */
export const SCOPE_NAMES = Object.freeze(Object.keys(SCOPES) as ScopeName[]); // as: keys of a const object

/** The plain scope with exactly this spelling, or undefined: no prefixes, no other case, no wildcard. */
export function parseScope(text: string): ScopeName | undefined {
  return Object.hasOwn(SCOPES, text) ? (text as ScopeName) : undefined; // as: just checked
}

/** A plain scope or one of the two wildcards, or undefined. */
export function parseScopePattern(text: string): ScopePattern | undefined {
  return isWildcard(text) ? text : parseScope(text);
}

/** Whether it is exactly one of `WILDCARDS`. */
export function isWildcard(text: string): text is Wildcard {
  return (WILDCARDS as readonly string[]).includes(text);
}

/** Whether what it opens never changes anything at Ideogram and never costs money. */
export function isReadScope(scope: ScopeName): boolean {
  return scope.startsWith('read:');
}
