import { expect, test } from 'vitest';
import { exportName, isExportUrl } from '../src/export/index.ts';

test.each([
  ['https://siem.example/in?source=a', true],
  ['http://127.0.0.1:8088/in', true],
  ['http://siem.example/in', false],
  ['https://user:fake@siem.example/in', false],
  ['ftp://siem.example/in', false],
  ['siem.example', false],
])('whether the record may be sent to %s: %s', (url, safe) => {
  expect(isExportUrl(url)).toBe(safe);
  if (safe) expect(exportName(url)).not.toContain('source');
});
