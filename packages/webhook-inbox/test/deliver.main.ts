/** A process that delivers until it is killed: `deliver.main.ts <url of the webhook login> <subscriber>`. */
import { deliverWebhooks } from '../src/index.ts';
import { SECRET } from './fake-secret.ts';

const [url = '', subscriber = ''] = process.argv.slice(2);
deliverWebhooks({
  url,
  subscribers: new Map([['images', { url: subscriber, secrets: [SECRET] }]]),
  onFailed: () => {},
  onFault: () => {},
});
// Leading keeps no process alive by itself.
setInterval(() => {}, 60_000);
