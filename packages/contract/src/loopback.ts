/**
 * Whether a host, as `URL.hostname` or a person writes it, is this machine and no other: there plain http is allowed.
 * `localhost` by RFC 6761 section 6.3; names are never looked up, for one that leads here today may not tomorrow.
 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || LOOPBACK_IPV4.test(host);
}

// `URL` writes every spelling of an IPv4 address (octal, decimal, short) in this one form.
const LOOPBACK_IPV4 = /^127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$/;
