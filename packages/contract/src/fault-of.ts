/** Where code of ours failed: class and place. Never the message, which may quote a key, a token or what a caller sent. */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { name, message, stack = '' } = error;
  const frames = stack
    .slice(stack.indexOf(message) + message.length)
    .split('\n')
    .filter((line) => FRAME.test(line));
  return [/^[A-Za-z]{1,40}$/.test(name) ? name : 'Error', ...frames.slice(0, 3)].join(' ');
}

const FRAME = /^ {4}at .*(?:file:|node:|\/)[^ ]*:\d+:\d+\)?$/;
