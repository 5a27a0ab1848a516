import type { SecretLintRuleCreator } from '@secretlint/types';
import { faultOfKey } from '@ideogate/upstream-keys';

/** What is found here, by name, and what each means. The docs are made from this table. */
export const RULES = {
  'known-key':
    'An Ideogram key of this installation, for certain: kill it, rotate it, and revoke it at Ideogram.',
  'env-file':
    'An environment file that holds a secret and that git has, or would take: add it to .gitignore.',
  'ideogram-key': 'What stands where an Ideogram key stands.',
  'ideogate-token': 'An access token of an Ideogate gateway.',
  'client-secret': 'The secret of an OAuth client.',
  'webhook-secret': 'A secret that webhooks are signed with.',
  'age-identity': 'An age identity: it opens whatever was sealed to it.',
  'checkpoint-key': 'A key that signs checkpoints of the record.',
} as const;

type RuleName = keyof typeof RULES;

interface Pattern {
  readonly rule: Exclude<RuleName, 'known-key' | 'env-file'>;
  /** The secret is its first group. */
  readonly pattern: RegExp;
  readonly fits: (secret: string) => boolean;
}

const VALUE = '[A-Za-z0-9_.~+/=-]';
const ASSIGNED = `["'\`]?\\s*(?::|=>?|,)\\s*["'\`]?`;
const any = () => true;

const PATTERNS: readonly Pattern[] = [
  {
    rule: 'ideogram-key',
    pattern: new RegExp(`\\bIDEOGRAM_(?:API|READ|WRITE)_KEY${ASSIGNED}(${VALUE}{16,512})`, 'gd'),
    fits: isKeyLike,
  },
  {
    rule: 'ideogram-key',
    pattern: new RegExp(`(?<![\\w-])api-key${ASSIGNED}(${VALUE}{20,512})`, 'gdi'),
    fits: isKeyLike,
  },
  {
    rule: 'ideogate-token',
    pattern: /\b(ey[A-Za-z0-9_-]{10,2000}\.ey[A-Za-z0-9_-]{10,6000}\.[A-Za-z0-9_-]{43,700})/dg,
    fits: isAccessToken,
  },
  {
    rule: 'client-secret',
    pattern: new RegExp(`client_secret${ASSIGNED}([A-Za-z0-9_-]{32,128})`, 'gd'),
    fits: isMixed,
  },
  { rule: 'webhook-secret', pattern: /\b(whsec_[A-Za-z0-9+/]{32,88}={0,2})/dg, fits: isMixed },
  {
    rule: 'webhook-secret',
    pattern: new RegExp(`\\bIDEOGRAM_SECRET${ASSIGNED}(${VALUE}{24,512})`, 'gd'),
    fits: isMixed,
  },
  { rule: 'age-identity', pattern: /\b(AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,})/dg, fits: any },
  {
    rule: 'checkpoint-key',
    pattern: /\b(PRIVATE\+KEY\+[^\s+]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,}=*)/dg,
    fits: any,
  },
];

/** A path or a name of a variable is none, nor what says of itself that it is a placeholder. */
function isKeyLike(text: string): boolean {
  return faultOfKey(text) === null && !/^[./~]/.test(text) && isMixed(text);
}

/** Letters and digits both, as anything random of that length has. */
function isMixed(text: string): boolean {
  return /[0-9]/.test(text) && /[A-Za-z]/.test(text) && new Set(text).size >= 8;
}

/** RFC 9068 section 2.1: the header says so. */
function isAccessToken(text: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString());
    return (
      typeof header === 'object' &&
      header !== null &&
      'typ' in header &&
      /^(?:application\/)?at\+jwt$/i.test(String(header.typ))
    );
  } catch {
    return false;
  }
}

/** Our own patterns as one rule of secretlint's, so that its comments let a line pass here as they do there. */
export const OWN_RULE: SecretLintRuleCreator = {
  messages: Object.fromEntries(Object.entries(RULES).map(([name, meaning]) => [name, { en: () => meaning }])),
  meta: {
    id: '@ideogate/secret-scan',
    recommended: true,
    type: 'scanner',
    supportedContentTypes: ['text'],
    docs: { url: 'docs/scan.md' },
  },
  create(context) {
    const t = context.createTranslator(this.messages);
    return {
      file({ content }) {
        for (const { rule, pattern, fits } of PATTERNS)
          for (const match of content.matchAll(pattern)) {
            const range = match.indices?.[1];
            if (range !== undefined && fits(match[1] ?? ''))
              context.report({ message: t(rule), range: [range[0], range[1]] });
          }
      },
    };
  },
};
