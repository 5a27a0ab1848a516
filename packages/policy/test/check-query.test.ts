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

describe('a call under bounds', () => {
  it.each(['', 'limit=10', 'tag=a%20b', 'tag=a&limit=1', 'dry_run=true'])(
    'may send the query "%s"',
    (query) => {
      expect(checkQuery(quoted, 'limited', query)).toBeNull();
    },
  );

  it.each([
    ['num_images=4', 'unknown-parameter', 'num_images'],
    ['Limit=1', 'unknown-parameter', 'Limit'],
    ['tag[]=a', 'unknown-parameter', 'tag[]'],
    ['tag=a&tag=b', 'repeated-parameter', 'tag'],
    ['tag=a&t%61g=b', 'repeated-parameter', 'tag'],
    ['limit=01', 'number-form', 'limit'],
    ['limit=1.0', 'number-form', 'limit'],
    ['limit=', 'number-form', 'limit'],
    ['limit=+1', 'number-form', 'limit'],
    ['tag=a;limit=1', 'query-malformed', null],
    ['dry_run=false', 'dry-run-form', 'dry_run'],
    ['dry_run=TRUE', 'dry-run-form', 'dry_run'],
    ['dry_run=true&tag=a', 'dry-run-form', 'dry_run'],
    ['dry_run=true&dry_run=true', 'dry-run-form', 'dry_run'],
    ['dry%5Frun=true', 'dry-run-form', 'dry_run'],
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
    expect(found).toMatchObject({ reason: 'unknown-parameter', field: null });
    expect(found?.detail).not.toContain('Set-Cookie');
  });
});
