import { describe, expect, it } from 'vitest';
import { NumberFormError, parseStrictJson, StrictJsonError } from '../src/index.ts';

describe('numbers in their shortest form only', () => {
  it.each(['0', '1', '-1', '1.5', '0.05', '2147483647', '1e+21', '1e-7'])('takes %s', (text) => {
    expect(parseStrictJson(text, { canonicalNumbers: true })).toBe(Number(text));
  });

  it.each(['1.0', '1e0', '10e-1', '-0', '0.10', '1E21', '9007199254740993', '100000000000000000000000'])(
    'refuses %s, which is taken when nobody asked',
    (text) => {
      expect(parseStrictJson(text)).toBe(Number(text));
      expect(() => parseStrictJson(text, { canonicalNumbers: true })).toThrow(NumberFormError);
    },
  );

  it('says which members lead to the number', () => {
    const read = () => parseStrictJson('{"a":1,"b":[{"c":1.0}]}', { canonicalNumbers: true });
    expect(read).toThrow(expect.objectContaining({ path: ['b', 'c'] }));
  });

  it('says which members lead to any other fault', () => {
    expect(() => parseStrictJson('{"a":{"b":nul}}')).toThrow(StrictJsonError);
    expect(() => parseStrictJson('{"a":{"b":nul}}')).toThrow(expect.objectContaining({ path: ['a', 'b'] }));
    expect(() => parseStrictJson('{"a":1,"a":2}')).toThrow(expect.objectContaining({ path: ['a'] }));
  });
});
