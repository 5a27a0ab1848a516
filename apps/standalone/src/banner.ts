import type { Client, RuntimeFile } from '@ideogate/data-dir';
import type { UpstreamChoice } from '@ideogate/gateway/startup';

/** What a person sees when everything answers: where things are, and a first call to copy and paste. */
export function banner(
  ready: RuntimeFile,
  clients: readonly Client[],
  upstream: UpstreamChoice,
  notices: readonly string[],
): string {
  const maker = clients.find((each) => each.scopes.some((scope) => scope.startsWith('write:')));
  const client = maker ?? clients[0];
  return [
    '',
    `Ideogate is ready, serving ${ready.environment}.`,
    '',
    `  gateway   ${ready.gateway}`,
    `  issuer    ${ready.issuer}`,
    `  metrics   ${ready.metrics}, with /-/health and /-/ready beside it`,
    upstream.kind === 'emulator'
      ? `  upstream  ${ready.emulator} is the Ideogram EMULATOR: no key was given, nothing reaches Ideogram and nothing is billed`
      : `  upstream  ${upstream.origin}, with the key you gave: calls are billed`,
    ...notices.map((notice) => `  note      ${notice}`),
    '',
    ...(client === undefined
      ? ['No caller has a grant here: add one to the policy.']
      : firstCall(ready, client.client_id, maker !== undefined)),
    '',
  ].join('\n');
}

function firstCall(ready: RuntimeFile, client: string, mayWrite: boolean): string[] {
  const call = mayWrite
    ? `curl -sS ${ready.gateway}/v1/ideogram-v3/generate -H "Api-Key: $TOKEN" -F prompt="a lighthouse at dawn" -F rendering_speed=TURBO`
    : `curl -sS "${ready.gateway}/v2/image/generate/ideogram-4?dry_run=true" -H "Api-Key: $TOKEN" --json '{"prompt":"a lighthouse at dawn"}'`;
  return [
    mayWrite
      ? 'A first call: a token, an image, its record.'
      : 'A first call: a token, the price of an image, its record.',
    '',
    `  TOKEN=$(npx --yes pnpm@12 --silent ideogate token --client ${client})`,
    `  ${call}; echo`,
    '  npx --yes pnpm@12 --silent ideogate audit list',
  ];
}
