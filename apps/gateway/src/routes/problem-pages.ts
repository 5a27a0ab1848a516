import { createHash } from 'node:crypto';
import { PROBLEMS, type Problem, type ProblemCode } from '@ideogate/contract';

/*
 * The problems for a person who follows `type` out of an error: plain pages, made of nothing but our own table.
 */

const STYLE =
  'body{font:1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}' +
  'code{font-family:ui-monospace,monospace;background:#f0f0f0;padding:.1em .3em}' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4em .8em .4em 0;border-bottom:1px solid #ddd}' +
  '@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}code{background:#2a2a2a}a{color:#8ab4f8}th,td{border-color:#333}}';

/** Nothing is loaded, run, framed or sent from these pages; the one style is known by its hash. */
export const HTML_FIELDS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  vary: 'Accept',
} as const;

/**
 * Whether who asks would rather read HTML (RFC 9110 section 12.5.1): a browser names `text/html`, a program takes JSON or
 * anything.
 */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const html = qualityOf('text/html', accept);
  const json = Math.max(qualityOf('application/json', accept), qualityOf('application/problem+json', accept));
  return html > 0 && html > json;
}

/** Of the most exact range that holds the type; one that cannot be read counts as absent. */
function qualityOf(type: string, accept: string): number {
  const ranges = [type, `${type.split('/')[0]}/*`, '*/*'];
  let best = { exactness: ranges.length, quality: 0 };
  for (const member of accept.toLowerCase().split(',', 50)) {
    const [range = '', ...parameters] = member.split(';').map((part) => part.trim());
    const exactness = ranges.indexOf(range);
    if (exactness === -1 || exactness >= best.exactness) continue;
    const [, q = '1'] = /^q=([01](?:\.[0-9]{0,3})?)$/.exec(parameters.at(-1) ?? '') ?? [];
    best = { exactness, quality: Number(q) };
  }
  return best.quality;
}

/** HTML of `/-/problems`. */
export function problemListPage(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) =>
      `<tr><td>${status}</td><td><a href="/-/problems/${code}"><code>${code}</code></a></td><td>${escaped(title)}</td></tr>`,
  );
  return page(
    'What Ideogate answers itself',
    `<p>An answer with <code>Content-Type: application/problem+json</code> comes from Ideogate; any other is Ideogram's, as it came. <code>code</code> in its body is one of these.</p>
<table><thead><tr><th>Status</th><th>Code</th><th>Means</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`,
  );
}

/** HTML of `/-/problems/<code>`. */
export function problemPage(code: ProblemCode): string {
  const { status, title, remedy }: Problem = PROBLEMS[code];
  return page(
    title,
    `<p><code>${code}</code>, HTTP status ${status}. Ideogate answered so itself: ${answeredBy(status)}</p>
<h2>What to do</h2>
<p>${escaped(remedy)}</p>
<h2>Where to look</h2>
<p><code>detail</code> in the answer says what it was about. <code>Ideogate-Call-Id</code> names the call: give it to the security team when you ask about it.</p>
<p><a href="/-/problems">All problems</a></p>`,
  );
}

function answeredBy(status: number): string {
  if (status === 502 || status === 504)
    return 'Ideogram was asked, and gave no answer that can be passed on.';
  return 'nothing was forwarded to Ideogram, or not all that a call needs.';
}

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} – Ideogate</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(title)}</h1>
${content}
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
