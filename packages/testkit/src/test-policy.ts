/** Keys that the emulator takes; visibly fake, and marked so that a leak is found by searching for them. */
export const FAKE_KEYS = {
  read: 'fake-read-key-MARKED-0123456789',
  write: 'fake-write-key-MARKED-9876543210',
} as const;

/** Callers for tests: reader and writer as `start` has them, and `full`, whose grant has no bounds. */
export const TEST_POLICY = `
environments:
  development: { ceiling: ["read:*"] }
  staging: { ceiling: ["read:*", "write:limited", "write:generate", "write:remix", "write:edit", "write:upscale", "write:describe", "write:reframe", "write:train", "write:datasets"] }
  production: { ceiling: ["read:models", "read:generations", "read:quote", "write:generate"] }
callers:
  - subject: reader
    grants: { development: ["read:*"], staging: ["read:*"], production: ["read:models"] }
  - subject: writer
    grants: { staging: ["read:*", "write:limited"], production: ["read:models", "read:generations", "write:generate"] }
  - subject: full
    grants: { staging: ["read:*", "write:generate", "write:remix", "write:edit", "write:upscale", "write:describe", "write:reframe", "write:train", "write:datasets"] }
`;
