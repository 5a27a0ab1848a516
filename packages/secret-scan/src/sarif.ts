import type { Finding } from './finding.ts';
import { RULES } from './rules.ts';

/** A log in SARIF 2.1.0 (OASIS), as code hosts take it. */
export function sarifOf(findings: readonly Finding[], version: string): object {
  const names = [...new Set(findings.map(({ rule }) => rule))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'ideogate scan',
            version,
            rules: names.map((id) => ({ id, shortDescription: { text: meaningOf(id) } })),
          },
        },
        columnKind: 'unicodeCodePoints',
        results: findings.map(({ rule, keyId, file, line, column, object }) => ({
          ruleId: rule,
          ruleIndex: names.indexOf(rule),
          level: keyId === null ? 'warning' : 'error',
          message: { text: keyId === null ? meaningOf(rule) : `${keyId}: ${meaningOf(rule)}` },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(file).replaceAll('#', '%23').replaceAll('?', '%3F') },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
          ...(object === null ? {} : { properties: { object } }),
        })),
      },
    ],
  };
}

function meaningOf(rule: string): string {
  return Object.hasOwn(RULES, rule)
    ? RULES[rule as keyof typeof RULES] // as: looked at just before
    : `A secret, by secretlint's rule ${rule}.`;
}
