export { collectGarbage } from './collect-garbage.ts';
export { authority, type Certified, selfSigned } from './certificate.ts';
export { readChains } from './chains.ts';
export { isLoopback, NotLoopbackError, requireLoopback } from './loopback.ts';
export { createDatabase, superuserUrl, type TestDatabase } from './postgres.ts';
export { type Consumer, eventsIn, startConsumer } from './record-consumer.ts';
export { type Relay, relayTo, startRelay } from './relay.ts';
export { redisUrl, testWithRedis } from './redis.ts';
export { freePort } from './free-port.ts';
export { huntFor, type SecretHunt, spellingsOf, tableOfPlaces } from './secret-hunt.ts';
export {
  type Received,
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
} from './gateway.ts';
export { FAKE_KEYS, TEST_POLICY } from './test-policy.ts';
export { startWebhookSubscriber, type WebhookSubscriber } from './webhook-subscriber.ts';
export { bytesGrownOld } from './young-collections.ts';
