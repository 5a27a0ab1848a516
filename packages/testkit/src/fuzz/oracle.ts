import { isProblemCode, type Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import type { Played } from './caller.ts';
import type { ReadAnswer, ReadRequest } from './http-reader.ts';
import { isAllowed, type Row, type RowsOfCase } from './ledger.ts';
import { lenientFaults } from './lenient-reader.ts';
import type { Minted } from './tokens.ts';
import { type Arrived, answerNumber } from './upstream.ts';

/** What the oracle needs to know of the world. */
export interface World {
  readonly keys: { readonly read: string; readonly write: string };
  readonly known: (token: string) => Minted | undefined;
}

/** Problems of ours that are 5xx though the input is to blame, and are meant so. */
const RIGHTLY_5XX = new Set(['method-not-implemented', 'upgrade-refused', 'keys-unavailable']);
/** Field names that may reach the upstream: the caller's by the list, and what the gateway and its client add. */
const FROM_CALLER = new Set(['accept', 'accept-language', 'content-type', 'user-agent']);
const FROM_GATEWAY = new Set([
  'host',
  'connection',
  'accept-encoding',
  'content-length',
  'transfer-encoding',
  'api-key',
]);

/** Everything that is wrong with how a case ended; empty when all is well. */
export async function judge(
  played: Played,
  rows: RowsOfCase,
  arrived: readonly Arrived[],
  world: World,
): Promise<readonly string[]> {
  const faults = [...judgeAnswers(played, rows, world), ...judgeRows(played, rows)];
  for (const one of arrived) faults.push(...judgeHead(one, world));
  faults.push(...(await judgeForwarded(played, rows, arrived, world)));
  return faults;
}

function judgeAnswers(
  { answers, read, surplus, left, hung, heard, sent }: Played,
  rows: RowsOfCase,
  world: World,
): string[] {
  const faults: string[] = [];
  if (hung) faults.push('hang: the connection was still open at the bound');
  // Of a HEAD whose very head the parser gave up on nobody knows that it was one: it gets a body, and is closed.
  const asked = read.requests[answers.length - 1]?.method ?? read.restLine[0];
  const known = rows.get(answers.at(-1)?.fields.get('ideogate-call-id') ?? '')?.decisions[0]?.method ?? null;
  const toHead = asked === 'HEAD' && known === null;
  if (surplus !== '' && !left && !toHead) faults.push('answer: bytes that are no answer');
  if (answers.length > read.requests.length + (read.rest === 'none' ? 0 : 1))
    faults.push(`answer: ${answers.length} answers to ${read.requests.length} requests`);
  if (heard.includes(world.keys.read) || heard.includes(world.keys.write))
    faults.push('secret: a key came back to the caller');
  for (const token of credentialsIn(sent))
    if (heard.includes(token)) faults.push('secret: a token came back to the caller');
  answers.forEach((answer, index) => {
    if (!/^[0-9a-f-]{36}$/.test(answer.fields.get('ideogate-call-id') ?? ''))
      faults.push(`answer: ${answer.status} without a call id`);
    const code = problemOf(answer);
    if (
      answer.status >= 400 &&
      code === null &&
      read.requests[index]?.method !== 'HEAD' &&
      answer.body !== ''
    )
      if (!isReadyPage(read.requests[index]))
        faults.push(`answer: ${answer.status} that is no problem document`);
    if (answer.status >= 500 && !RIGHTLY_5XX.has(code ?? '') && !isBare501(answer, read.requests[index]))
      faults.push(`answer: ${answer.status} ${code} for bad input`);
  });
  return faults;
}

/** A HEAD has no body to say which problem it is. */
function isBare501(answer: ReadAnswer, request: ReadRequest | undefined): boolean {
  return request?.method === 'HEAD' && (answer.status === 501 || answer.status === 503);
}

function isReadyPage(request: ReadRequest | undefined): boolean {
  return request?.target === '/-/ready';
}

function problemOf({ body, fields }: ReadAnswer): string | null {
  if (fields.get('content-type') !== 'application/problem+json') return null;
  const code = /\/-\/problems\/([a-z-]+)"/.exec(body)?.[1] ?? '';
  return isProblemCode(code) ? code : null;
}

/** Long texts that look like a token's signature, wherever the caller put them. */
function credentialsIn(sent: string): readonly string[] {
  return [...new Set([...sent.matchAll(/\.([A-Za-z0-9_-]{80,90})\b/g)].map((found) => found[1] ?? ''))];
}

function isOwnPage(target: string): boolean {
  return target.startsWith('/-/') || target.startsWith('/.well-known/');
}

function judgeRows({ answers, read, sent, left }: Played, rows: RowsOfCase): string[] {
  const faults: string[] = [];
  // A head that is broken here may be read there, and refused, and what is behind it broken once more.
  const most = read.requests.length + { none: 0, partial: 1, broken: 2 }[read.rest];
  // What the parser still read behind a head that could not be trusted has a row too.
  const trusted = [...rows.values()].filter(
    ({ decisions }) => decisions[0]?.reason !== 'after-doubtful-head',
  );
  if (trusted.length > most) faults.push(`rows: ${rows.size} calls on record for ${most} requests`);
  for (const [id, { decisions, outcomes }] of rows) {
    if (decisions.length !== 1) faults.push(`rows: ${decisions.length} decisions of one call`);
    const due = decisions[0]?.result === 'allowed' ? 1 : 0;
    if (outcomes.length !== due) faults.push(`rows: ${outcomes.length} outcomes where ${due} is due`);
    const answer = answers.find(({ fields }) => fields.get('ideogate-call-id') === id);
    const status = outcomes[0]?.status ?? decisions[0]?.status;
    if (answer !== undefined && status !== answer.status && !left)
      faults.push(`rows: status ${status} on record, ${answer.status} answered`);
  }
  const ids = answers.map(({ fields }) => fields.get('ideogate-call-id') ?? '');
  if (new Set(ids).size !== ids.length) faults.push('answer: two of one call id');
  answers.forEach((answer, index) => {
    const { method, target } = read.requests[index] ?? { method: read.restLine[0], target: read.restLine[1] };
    const own = isOwnPage(target);
    const recorded = rows.has(ids[index] ?? '');
    const [decision] = rows.get(ids[index] ?? '')?.decisions ?? [];
    if (read.requests[index] !== undefined && (decision?.method ?? method) !== method)
      faults.push(`answer: to ${decision?.method} where ${method} was asked`);
    if (answer.status === 429) {
      if (recorded) faults.push('rows: one for what the address limit stopped');
    } else if (own) {
      if ([200, 404, 405].includes(answer.status) && recorded) faults.push('rows: one for an own page');
    } else if (!recorded) faults.push(`rows: none for an answer ${answer.status}`);
  });
  const first = read.requests[0]?.target ?? read.restLine[1];
  if (!left && rows.size === 0 && answers.length === 0 && sent.trim() !== '' && !isOwnPage(first))
    faults.push('rows: none for a connection that brought something');
  return faults;
}

/** What may be in the head of anything that reaches the upstream, whole or not. */
function judgeHead({ raw }: Arrived, { keys }: World): string[] {
  const faults: string[] = [];
  const [line = '', ...lines] = raw.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? [];
  const seen = new Set<string>();
  for (const field of lines) {
    const name = field.split(':', 1)[0]?.toLowerCase() ?? '';
    if (seen.has(name)) faults.push(`upstream: ${name} twice`);
    seen.add(name);
    if (!FROM_CALLER.has(name) && !FROM_GATEWAY.has(name)) faults.push(`upstream: the field ${name}`);
    const value = field.slice(name.length + 1).trim();
    if (name === 'api-key' && value !== keys.read && value !== keys.write)
      faults.push('upstream: a key that is not ours');
    if (name !== 'api-key' && (/[A-Za-z0-9_-]{80,90}$/.test(value) || value.includes('MARKED')))
      faults.push(`upstream: a credential in ${name}`);
  }
  if (line.includes('MARKED') || /\.[A-Za-z0-9_-]{80,90}/.test(line))
    faults.push('upstream: a credential in the target');
  return faults;
}

const ROUTES = OPERATIONS.map((operation) => ({
  operation,
  pattern: new RegExp(
    `^${operation.path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\\\{[^}]*\\\}/g, '[^/]+')}$`,
  ),
}));

async function judgeForwarded(
  { read, answers }: Played,
  rows: RowsOfCase,
  arrived: readonly Arrived[],
  world: World,
): Promise<string[]> {
  const faults: string[] = [];
  const allowed = [...rows.values()].flatMap(({ decisions }) => decisions.filter(isAllowed));
  if (arrived.length > allowed.length)
    faults.push(`forwarded: ${arrived.length} of ${allowed.length} decided calls`);
  const unused: Unused = { requests: [...read.requests], decisions: [...allowed] };
  const callIds = callIdsHeard(answers);
  // Those whose call is known first: the others have to do with what is left.
  const inOrder = [...arrived].sort((a, b) => Number(callIds.has(b.number)) - Number(callIds.has(a.number)));
  for (const { request, raw, number } of inOrder) {
    if (request !== null)
      faults.push(...(await judgeRequest(request, callIds.get(number) ?? null, unused, world)));
    else if (
      !read.requests.some((sent) => raw.startsWith(`${sent.method} ${sent.target} `)) &&
      read.rest === 'none'
    )
      faults.push('forwarded: the beginning of what was not sent');
  }
  const served = answers.filter(
    (answer, index) => answer.status === 200 && !isOwnPage(read.requests[index]?.target ?? ''),
  );
  if (served.length > arrived.filter(({ request }) => request !== null).length)
    faults.push('answer: 200 for a call that was not forwarded');
  return faults;
}

/** What a forwarded request must find, each for itself: the request it was sent as, and its decision. */
interface Unused {
  readonly requests: ReadRequest[];
  readonly decisions: Row[];
}

/** @param callId of the answer to it, when that came back: no other call's decision will do then. */
async function judgeRequest(
  got: ReadRequest,
  callId: string | null,
  { requests, decisions }: Unused,
  world: World,
): Promise<string[]> {
  const decisionOn = (sent: ReadRequest) =>
    decisions.find(
      (row) =>
        (callId === null || row.call_id === callId) &&
        isDecisionOn(row, sent.method, sent.target) &&
        row.subject === world.known(credentialOf(sent))?.subject,
    );
  const isAuthorised = (sent: ReadRequest) => authorityFaults(sent, got, world).length === 0;
  const equal = requests.filter((sent) => sameMessage(sent, got));
  // Equal ones may differ in their tokens, which don't go on, and so in who makes them.
  const sent = equal.find((one) => isAuthorised(one) && decisionOn(one) !== undefined) ?? equal[0];
  if (sent === undefined) return [`forwarded: ${got.method} ${got.target}, which the caller did not send so`];
  requests.splice(requests.indexOf(sent), 1);
  const faults = authorityFaults(sent, got, world);
  const row = decisionOn(sent);
  if (row === undefined) return [...faults, 'forwarded: without its decision'];
  decisions.splice(decisions.indexOf(row), 1);
  return [...faults, ...(await boundFaults(got, row.subject ?? ''))];
}

/** Whether a row of the record is about a call like this. */
export function isDecisionOn(row: Row, method: string, target: string): boolean {
  return row.method === method && row.resource === partsOf(target)[0];
}

/** Call ids by the number of the upstream's answer that came back with them. */
function callIdsHeard(answers: readonly ReadAnswer[]): ReadonlyMap<number, string> {
  return new Map(
    answers.flatMap(({ fields }) => {
      const number = answerNumber(fields.get('x-request-id') ?? '');
      return number === null ? [] : [[number, fields.get('ideogate-call-id') ?? '']];
    }),
  );
}

/** HTTP/1.0 has no chunks (RFC 9112 section 6.1). */
function isForwardable({ version, fields }: ReadRequest): boolean {
  return version === '1.1' || (version === '1.0' && !fields.some(([name]) => name === 'transfer-encoding'));
}

/** Byte for byte: method, target, body, and the fields that are passed on. */
export function sameMessage(sent: ReadRequest, got: ReadRequest): boolean {
  if (
    !isForwardable(sent) ||
    sent.method !== got.method ||
    sent.target !== got.target ||
    sent.body !== got.body
  )
    return false;
  const ended = valuesOf(sent, 'connection').flatMap((value) =>
    value.split(',').map((name) => name.trim().toLowerCase()),
  );
  return [...FROM_CALLER].every((name) => {
    const [value] = valuesOf(got, name);
    const values = valuesOf(sent, name);
    const optional =
      values.length === 0 ||
      ended.includes(name) ||
      (name === 'user-agent' && values.length > 1) ||
      (name === 'content-type' && sent.body === '');
    return value === undefined ? optional : value === values.join(', ') && !ended.includes(name);
  });
}

function valuesOf(request: ReadRequest, wanted: string): readonly string[] {
  return request.fields.filter(([name]) => name === wanted).map(([, value]) => value);
}

function credentialOf(request: ReadRequest): string {
  const bearers = valuesOf(request, 'authorization').map((value) => value.replace(/^bearer +/i, ''));
  return [...valuesOf(request, 'api-key'), ...bearers][0] ?? '';
}

function authorityFaults(sent: ReadRequest, got: ReadRequest, world: World): string[] {
  const bearers = valuesOf(sent, 'authorization');
  const keys = valuesOf(sent, 'api-key');
  if (bearers.length + keys.length !== 1) return ['forwarded: without exactly one credential'];
  const token = world.known(credentialOf(sent));
  if (token === undefined || !token.honest) return ['forwarded: for a token that no issuer makes'];
  const [path, query] = partsOf(got.target);
  const operation = ROUTES.find(
    ({ operation: one, pattern }) => one.method === got.method && pattern.test(path),
  )?.operation;
  if (operation === undefined) return ['forwarded: an operation that is not in the catalogue'];
  if (operation.closed !== null) return ['forwarded: a closed operation'];
  const quote = operation.dryRun && query === 'dry_run=true';
  const scope = quote ? 'read:quote' : (operation.scope ?? '');
  if (!token.scopes.has(scope)) return [`forwarded: without the scope ${scope}`];
  const expected = keyFor(operation, quote, world);
  return valuesOf(got, 'api-key').join() === expected ? [] : ['forwarded: with the wrong key'];
}

function partsOf(target: string): readonly [path: string, query: string] {
  const mark = target.indexOf('?');
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
}

function keyFor(operation: Operation, quote: boolean, { keys }: World): string {
  switch (quote ? 'read' : operation.capability) {
    case 'none':
      return '';
    case 'read':
      return keys.read;
    case 'write':
      return keys.write;
  }
}

async function boundFaults(got: ReadRequest, subject: string): Promise<string[]> {
  const [path, query] = partsOf(got.target);
  const operation = ROUTES.find(
    ({ operation: one, pattern }) => one.method === got.method && pattern.test(path),
  )?.operation;
  if (operation === undefined) return [];
  const limited =
    subject === 'writer' &&
    operation.scope?.startsWith('write:') === true &&
    !(operation.dryRun && query === 'dry_run=true');
  const faults = await lenientFaults(operation, got, limited);
  return faults.map((fault) => `bounds: ${subject} ${operation.id}: ${fault}`);
}
