import { unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:http';
import { createSecureContext, type Server as TlsServer } from 'node:tls';
import { readNamedFile } from '@ideogate/config';
import { ConfigError } from '../config.ts';
import type { Gateway } from '../context.ts';

/** Milliseconds between two looks at the certificate files. */
const LOOK_EVERY = 2000;

/**
 * Serves the certificate and follows its files: new connections get a new certificate without a restart. A pair
 * that cannot be used is reported, and the one in use stays.
 *
 * @throws ConfigError when the first pair cannot be used.
 */
export function followCertificate(
  server: Server,
  files: { certFile: string; keyFile: string },
  gateway: () => Gateway,
): void {
  const tls = server as unknown as TlsServer; // as: made by node:https, whose type does not say so
  const load = () => {
    const pair = {
      cert: readNamedFile(files.certFile),
      key: readNamedFile(files.keyFile),
      minVersion: 'TLSv1.2' as const,
    };
    createSecureContext(pair);
    tls.setSecureContext(pair);
  };
  try {
    load();
  } catch {
    throw new ConfigError([
      `the certificate ${files.certFile} and key ${files.keyFile} cannot be used: check that both exist, are readable PEM, and belong together`,
    ]);
  }
  const reload = () => {
    try {
      load();
      gateway().log.info({ file: files.certFile }, 'certificate reloaded');
    } catch {
      gateway().log.error(
        { file: files.certFile },
        'the new certificate and key do not belong together; the old pair stays',
      );
    }
  };
  for (const file of [files.certFile, files.keyFile])
    watchFile(file, { interval: LOOK_EVERY, persistent: false }, reload);
  server.once('close', () => {
    for (const file of [files.certFile, files.keyFile]) unwatchFile(file, reload);
  });
}
