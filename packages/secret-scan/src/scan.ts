import { lintSource } from '@secretlint/core';
import { secretLintProfiler } from '@secretlint/profiler';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';
import { isEnvironmentFile, secretAssigned } from './env-file.ts';
import type { ExactFinder } from './exact.ts';
import type { Finding } from './finding.ts';
import { OWN_RULE, RULES } from './rules.ts';
import type { Source } from './source.ts';
import { type Window, windowsOf } from './window.ts';

/** Every finding in one source, in the order of the text, at most one at a place. Memory is flat. */
export async function* scan(source: Source, exact: ExactFinder): AsyncGenerator<Finding> {
  const { file, object } = source;
  const guarded = source.inGit && isEnvironmentFile(file);
  let told = false;
  for await (const window of windowsOf(source.chunks)) {
    const places = new Map<number, Pick<Finding, 'rule' | 'keyId'>>();
    if (guarded && !told) {
      const at = secretAssigned(window.text);
      if (at >= window.from && at < window.to) {
        places.set(at, { rule: 'env-file', keyId: null });
        told = true;
      }
    }
    if (!window.binary)
      for (const { start, rule } of await lint(window, file)) places.set(start, { rule, keyId: null });
    // Last, for what is certain takes the place of what is likely.
    for (const { start, keyId } of exact.find(window.text)) places.set(start, { rule: 'known-key', keyId });
    const starts = [...places.keys()].filter((start) => start >= window.from && start < window.to);
    const positionOf = positionsIn(window);
    for (const start of starts.sort((a, b) => a - b)) {
      const { rule = '', keyId = null } = places.get(start) ?? {};
      yield { rule, keyId, file, object, ...positionOf(start) };
    }
  }
}

// It keeps marks of each rule and each text, and with a long history all memory goes to them.
secretLintProfiler.setEnabled(false);

const CONFIG = {
  rules: [
    { id: recommended.meta.id, rule: recommended },
    { id: OWN_RULE.meta.id, rule: OWN_RULE },
  ],
};

async function lint({ text }: Window, file: string): Promise<readonly { start: number; rule: string }[]> {
  const { messages } = await lintSource({
    source: {
      filePath: `/${file}`,
      content: text,
      contentType: 'text',
      ext: /\.[^./]*$/.exec(file)?.[0] ?? '',
    },
    // The words of a message may hold the secret; they are masked, and not used either.
    options: { config: CONFIG, maskSecrets: true, noPhysicFilePath: true },
  });
  const whole = messages.filter(({ range }) => !isCutOut(text, range[0], range[1]));
  return whole.map(({ range, ruleId, messageId }) => ({
    start: range[0],
    rule: messageId in RULES ? messageId : ruleId.replace(/^@secretlint\/secretlint-rule-/, ''),
  }));
}

/**
 * Whether a match is a piece of something longer: a long random text in base64url holds, by chance, what looks like a
 * token with a prefix.
 */
function isCutOut(text: string, start: number, end: number): boolean {
  const before = /[A-Za-z0-9_+-]*$/.exec(text.slice(Math.max(0, start - GLUED), start))?.[0].length ?? 0;
  const after = /^[A-Za-z0-9_+-]*/.exec(text.slice(end, end + GLUED))?.[0].length ?? 0;
  return before >= GLUED || after >= GLUED;
}

/** A shorter one may be a name before a secret, or a word behind it. */
const GLUED = 8;

/** Line and column of one place after another, each behind the one before, so that a line is counted once. */
function positionsIn({ text, from, ...at }: Window): (start: number) => { line: number; column: number } {
  let { line } = at;
  /** Where the line begins, as if the whole of it were in this window. */
  let begin = from - at.column + 1;
  let next = text.indexOf('\n', from);
  return (start) => {
    while (next !== -1 && next < start) {
      line += 1;
      begin = next + 1;
      next = text.indexOf('\n', begin);
    }
    return { line, column: start - begin + 1 };
  };
}
