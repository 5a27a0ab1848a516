import { describe, expect, it } from 'vitest';
import { checkQuery } from '../src/index.ts';
import { generate, quoted } from './sample-operations.ts';

describe('webhook_url in a query is refused for every caller', () => {
  it.each([
    'webhook_url=https://hook.example',
    'a=1&webhook_url=x',
    'webhook_url',
    'WEBHOOK_URL=x',
    'webhook%5Furl=x',
    '%77%65bhook_url=x',
    'webhook%255Furl=x',
    'webhookUrl=x',
    'webhook-url=x',
    'webhook+url=x',
    'webhook_url[]=x',
    'webhook_url%5B%5D=x',
    'body[webhook_url]=x',
    'a=1;webhook_url=x',
    '%EF%BD%97ebhook_url=x',
    'webhook%E2%80%8B_url=x',
    'note=a%26webhook_url%3Dx',
    'note=a%3Bwebhook-url',
  ])('%s', (query) => {
    const full = checkQuery(generate, 'full', query);
    expect(full).toMatchObject({ problem: 'bound-exceeded', reason: 'webhook-url', field: 'webhook_url' });
    expect(checkQuery(generate, 'limited', query)).not.toBeNull();
  });

  it('and a value that only speaks of it is not', () => {
    expect(checkQuery(generate, 'full', 'note=webhook_url')).toBeNull();
  });
});

describe('a query that does not decode is refused for every caller', () => {
  it.each(['a=%', 'a=%zz', 'a=%ff', '%c3=1'])('%s', (query) => {
    expect(checkQuery(generate, 'full', query)).toMatchObject({
      problem: 'invalid-target',
      reason: 'query-malformed',
    });
  });
});

describe('a query that two readers take apart differently is refused for every caller', () => {
  it.each([
    ['a semicolon, which some split at', 'tag=a;limit=1', 'query-malformed', null],
    ['a semicolon in a value', 'tag=a;b', 'query-malformed', null],
    ['another letter case, as .NET ignores it', 'Limit=1', 'unclear-name', 'Limit'],
    ['another separator', 'dry-run=true', 'unclear-name', 'dry-run'],
    ['brackets, which PHP and Rack nest', 'tag[]=a', 'unclear-name', 'tag[]'],
    ['brackets of a name nobody declared', 'a[b]=c', 'unclear-name', 'a[b]'],
    ['an escaped bracket', 'a%5Bb%5D=c', 'unclear-name', 'a[b]'],
    ['a full stop, which PHP takes for _', 'a.b=1', 'unclear-name', 'a.b'],
    ['a space, which PHP takes for _', 'a+b=1', 'unclear-name', null],
    ['an escape in a name, which proxies leave', 'dry%5Frun=true', 'unclear-name', 'dry_run'],
    ['an escaped equals sign in a name', 'a%3Db=1', 'unclear-name', null],
    ['no name', '=1', 'unclear-name', null],
    ['no equals sign, as CGI.pm takes keywords', 'dry_run', 'unclear-name', 'dry_run'],
    ['no equals sign after another', 'tag=a&limit', 'unclear-name', 'limit'],
    ['a name in other letters', 'caf%C3%A9=1', 'unclear-name', null],
    ['a name twice', 'tag=a&tag=b', 'repeated-parameter', 'tag'],
    ['a name twice, nobody declared', 'x=1&y=2&x=3', 'repeated-parameter', 'x'],
    ['a name twice but for letter case', 'x=1&X=3', 'repeated-parameter', 'X'],
    ['a quote twice', 'dry_run=true&dry_run=false', 'repeated-parameter', 'dry_run'],
    ['a NUL, where C ends a text', 'tag=a%00b', 'query-malformed', null],
    ['a parameter in a value, for who decodes first', 'note=a%26limit%3D5', 'query-malformed', null],
    ['a quote in a value, likewise', 'note=%26dry_run%3Dfalse', 'query-malformed', null],
    ['a semicolon and a parameter in a value', 'note=a%3Bdry_run%3Dfalse', 'query-malformed', null],
  ])('%s (I.66)', (_, query, reason, field) => {
    for (const level of ['full', 'limited'] as const)
      expect(checkQuery(quoted, level, query)).toMatchObject({ problem: 'invalid-target', reason, field });
  });

  it.each([
    'cursor=abc%3D%3D',
    'cursor=abc==',
    'cursor=',
    'search=black+%26+white%3B+a%2Bb',
    'search=%5Bbrackets%5D.and+dots&_=1700000000',
    'a=1&&b=2&',
    'ids=1&ids=2',
    'search=caf%C3%A9',
  ])('but %s passes (I.67)', (query) => {
    const listed = { ...quoted, query: [...quoted.query, { name: 'ids', type: 'string[]' } as const] };
    expect(checkQuery(listed, 'full', query)).toBeNull();
  });
});

describe('a call under bounds', () => {
  it.each(['', 'limit=10', 'tag=a%20b', 'tag=a&limit=1', 'dry_run=true'])(
    'may send the query "%s"',
    (query) => {
      expect(checkQuery(quoted, 'limited', query)).toBeNull();
    },
  );

  it.each([
    ['num_images=4', 'unknown-parameter', 'num_images'],
    ['limit=01', 'number-form', 'limit'],
    ['limit=1.0', 'number-form', 'limit'],
    ['limit=', 'number-form', 'limit'],
    ['limit=+1', 'number-form', 'limit'],
    ['dry_run=false', 'dry-run-form', 'dry_run'],
    ['dry_run=TRUE', 'dry-run-form', 'dry_run'],
    ['dry_run=true&tag=a', 'dry-run-form', 'dry_run'],
    ['dry_run=%74rue', 'dry-run-form', 'dry_run'],
  ])('may not send the query "%s"', (query, reason, field) => {
    expect(checkQuery(quoted, 'limited', query)).toMatchObject({ reason, field });
    expect(checkQuery(quoted, 'full', query)).toBeNull();
  });

  it('may not ask for a dry run that the operation does not declare', () => {
    expect(checkQuery(generate, 'limited', 'dry_run=true')).toMatchObject({ reason: 'dry-run-form' });
  });

  it('gets no hostile name back', () => {
    const found = checkQuery(generate, 'limited', '%0d%0aSet-Cookie:x=1');
    expect(found).toMatchObject({ reason: 'unclear-name', field: null });
    expect(found?.detail).not.toContain('Set-Cookie');
  });
});
