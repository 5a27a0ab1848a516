import { randomBytes } from 'node:crypto';
import type { Operation } from '@ideogate/contract';
import { priceOf } from '../price.ts';
import type { Links } from './links.ts';
import { drawPng, promptDigest } from './picture.ts';
import { type Answer, json } from './reply.ts';
import { createShelf, type Dataset, type Generation, type Image, type Model } from './shelf.ts';
import { sizeOf } from './size.ts';
import type { Request } from './validate.ts';
import type { Webhooks } from './webhooks.ts';

/** One call that passed all checks. */
export interface Call {
  readonly operation: Operation;
  readonly params: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
  readonly request: Request;
}

/** What the routes of the account need of the rest of the emulator. */
export interface AccountDeps {
  readonly links: Links;
  readonly webhooks: Webhooks;
  readonly linkTtlSeconds: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The one account that all keys of an emulator belong to: what it made, and how it answers a call. */
export class Account {
  readonly #deps: AccountDeps;
  readonly #generations = createShelf<Generation>();
  readonly #datasets = createShelf<Dataset>();
  readonly #models = createShelf<Model>();

  constructor(deps: AccountDeps) {
    this.#deps = deps;
  }

  perform(call: Call): Answer {
    const { operation, request, query } = call;
    if (operation.closed !== null) return json(200, {});
    const prompt = promptOf(request);
    if (prompt.includes('forbidden-please'))
      return json(422, { error: 'The prompt failed the safety check.' });
    if (operation.dryRun && query.get('dry_run') === 'true') return this.#quote(call);
    return this.#stored(call) ?? this.#words(call, prompt) ?? this.#pictures(call, prompt);
  }

  /** Polls, data sets, models, the account: what is read from memory or kept in it. */
  #stored({ operation, params, request, query }: Call): Answer | undefined {
    switch (operation.id) {
      case 'v1.generations.get':
        return this.#poll(params.get('generation_id') ?? '', 'v1');
      case 'v2.generations.get':
        return this.#poll(params.get('generation_id') ?? '', 'v2');
      case 'datasets.list': {
        const search = query.get('search') ?? '';
        const found = this.#datasets.all().filter((dataset) => dataset.name.includes(search));
        return json(200, { datasets: found.map(datasetAnswer) });
      }
      case 'datasets.create': {
        const name = String(request.values.get('name'));
        const id = newId();
        return json(
          200,
          datasetAnswer(this.#datasets.put({ id, name, created: this.#time(), files: 0, models: [] })),
        );
      }
      case 'datasets.get':
        return this.#ofDataset(params.get('dataset_id'), (dataset) => ({
          dataset: datasetAnswer(dataset),
          file_count: dataset.files,
          files: [],
          custom_model_ids: dataset.models,
        }));
      case 'datasets.upload':
        return this.#ofDataset(params.get('dataset_id'), (dataset) => {
          const count = request.files.get('files') ?? 0;
          dataset.files += count;
          return {
            total_count: count,
            success_count: count,
            failure_count: 0,
            successful_assets: Array.from({ length: count }, () => ({ asset_id: newId() })),
            failed_assets: [],
          };
        });
      case 'datasets.train':
        return this.#train(params.get('dataset_id'), request);
      case 'v3.train-model':
      case 'v3.train-model-advanced':
      case 'v4.train-model':
      case 'v4.train-model-advanced':
        return this.#train(String(request.values.get('dataset_id') ?? ''), request);
      case 'models.list':
        return json(200, { models: this.#models.all().map(modelAnswer) });
      case 'models.get': {
        const model = this.#models.get(params.get('model_id') ?? '');
        return model === undefined ? notFound('model') : json(200, { model: modelAnswer(model) });
      }
      case 'v2.account.api-keys':
        return json(200, {
          api_keys: [
            {
              api_key_id: 'emulated',
              creation_time: '2026-01-01T00:00:00Z',
              redacted_api_key: '********',
              status: 'ACTIVE',
            },
          ],
        });
      case 'v2.account.invoices':
        return json(200, { invoices: [] });
      case 'v2.account.usage':
        return json(200, { buckets: [] });
      case 'v2.assets.reference-usage':
        return json(200, { assets: [], next_cursor: null });
      case 'v1.jwks':
        return json(200, { keys: [this.#deps.webhooks.key] });
      default:
        return undefined;
    }
  }

  /** Answers that are words about an image, or a prompt. */
  #words({ operation, params, request }: Call, prompt: string): Answer | undefined {
    const described = `An emulated description of ${[...request.files.values()].length} image(s).`;
    const structured = { high_level_description: prompt === '' ? described : prompt };
    const created = this.#time();
    switch (operation.id) {
      case 'describe':
        return json(200, { descriptions: [{ text: described }] });
      case 'v4.describe':
        return json(200, { json_prompt: structured });
      case 'v2.image.describe.ideogram-3':
        return json(200, { description_id: newId(), created, descriptions: [{ text: described }] });
      case 'v2.image.describe.ideogram-4':
        return json(200, { description_id: newId(), created, json_prompt: structured });
      case 'legacy.magic-prompt':
        return json(200, {
          magic_prompt: `${prompt}, in great detail`,
          magic_prompt_version: request.values.get('magic_prompt_version'),
        });
      case 'v4.magic-prompt':
        return json(200, {
          json_prompt: structured,
          aspect_ratio: request.values.get('aspect_ratio') ?? '1x1',
        });
      case 'v1.provenance.verify':
        return json(200, {
          provenance_detected: false,
          generation_id: null,
          created_at: null,
          provider: null,
          system_version: null,
          validation_state: 'unknown',
        });
      case 'integration-assets.get': {
        const reference = params.get('external_ref') ?? '';
        if (!reference.startsWith('emulated-')) return notFound('asset');
        const picture = { width: 64, height: 64, seed: 0, promptDigest: promptDigest(reference) };
        return { status: 200, contentType: 'image/png', body: drawPng(picture) };
      }
      default:
        return undefined;
    }
  }

  #pictures({ operation, request, query }: Call, prompt: string): Answer {
    const created = this.#time();
    const seed = seedOf(request, prompt);
    const images = this.#draw(operation, request, prompt, seed);
    const waits = operation.asynchronous === 'always' || request.values.get('async') === true;
    const version = operation.path.startsWith('/v2/') ? 'v2' : 'v1';
    if (waits || version === 'v2') {
      const failure = prompt.includes('fail-please') ? 'The generation failed.' : null;
      const costUsdMicros = priceOf(operation, request.values, {
        status: 200,
        images: null,
        dryRun: false,
      });
      const id = newId();
      this.#generations.put({ id, version, created, images, failure, costUsdMicros, polled: !waits });
      const webhook = request.values.get('webhook_url') ?? query.get('webhook_url');
      if (waits && failure === null && typeof webhook === 'string') {
        const payload = { generation_id: id, created, data: this.#show(images) };
        this.#deps.webhooks.callBack(webhook, id, payload);
      }
      if (waits) return json(200, version === 'v2' ? { generation_id: id, seed } : { generation_id: id });
      return json(200, { generation_id: id, seed, data: this.#show(images) });
    }
    if (operation.id === 'v3.layerize-text' || operation.id === 'v1.layerize-logos') {
      const [url] = this.#show(images).map((image) => image.url);
      return json(
        200,
        operation.id === 'v1.layerize-logos'
          ? { base_image_url: url, layers: [] }
          : { base_image_url: url, original_image_url: null, text_blocks: [], seed },
      );
    }
    const style = String(request.values.get('style_type') ?? 'GENERAL');
    const data = this.#show(images).map((image) =>
      /^(?:v3|legacy)\./.test(operation.id) ? { ...image, style_type: style } : image,
    );
    return json(200, {
      created,
      ...(/^v4|p-image/.test(operation.id) ? { response_type: 'url' } : {}),
      ...(operation.id.startsWith('legacy.') ? { request_id: query.get('request_id') ?? newId() } : {}),
      data,
    });
  }

  #draw(operation: Operation, { values }: Request, prompt: string, seed: number): readonly Image[] {
    const count = Number(values.get('num_images') ?? values.get('image_request.num_images') ?? 1);
    const size = sizeOf(operation, values);
    const safe = !prompt.includes('unsafe-please');
    const digest = promptDigest(prompt);
    return Array.from({ length: Math.min(Math.max(count, 1), 8) || 1 }, (_, at) => ({
      picture: { ...size, seed: (seed + at) % 2_147_483_648, promptDigest: digest },
      prompt,
      safe,
    }));
  }

  #show(images: readonly Image[]) {
    return images.map(({ picture, prompt, safe }) => ({
      url: safe ? this.#deps.links.link(picture, this.#deps.linkTtlSeconds()) : null,
      prompt,
      resolution: `${picture.width}x${picture.height}`,
      is_image_safe: safe,
      seed: picture.seed,
    }));
  }

  #poll(id: string, asked: 'v1' | 'v2'): Answer {
    const generation = this.#generations.get(id);
    // v2 knows generations of both kinds, v1 its own only.
    if (generation === undefined || (asked === 'v1' && generation.version === 'v2')) {
      return notFound('generation');
    }
    const head = { generation_id: id, created: generation.created };
    if (!generation.polled) {
      generation.polled = true;
      return json(200, { ...head, status: 'pending' });
    }
    if (generation.failure !== null) {
      return json(200, { ...head, status: 'failed', failure_reason: generation.failure });
    }
    const cost = generation.costUsdMicros;
    return json(200, {
      ...head,
      status: 'completed',
      response_type: 'url',
      data: this.#show(generation.images),
      ...(cost === null ? {} : { usage_cost_usd_micros: cost }),
    });
  }

  #quote({ operation, request }: Call): Answer {
    const exact = priceOf(operation, request.values, { status: 200, images: null, dryRun: false });
    const quantity = Number(request.values.get('num_images') ?? 1);
    // Ideogram quotes every call; where no price is known the emulator makes one up and calls it an estimate.
    const usdMicros = exact ?? 100_000 * quantity;
    return json(200, {
      object: 'price_quote',
      billing_identifier: operation.id,
      quantity,
      usd_micros: usdMicros,
      credit_millis: Math.round(usdMicros / 10),
      qualifier: exact === null ? 'estimate' : 'exact',
      upper_bound_usd_micros: usdMicros,
    });
  }

  #train(datasetId: string | undefined, request: Request): Answer {
    const dataset = this.#datasets.get(datasetId ?? '');
    if (dataset === undefined) return notFound('dataset');
    if (dataset.files < 15 || dataset.files > 100) {
      return json(400, { error: 'Training needs 15 to 100 images.' });
    }
    const name = String(request.values.get('model_name'));
    const model = this.#models.put({ id: newId(), name, datasetId: dataset.id });
    dataset.models.push(model.id);
    return json(200, modelAnswer(model));
  }

  #ofDataset(id: string | undefined, answer: (dataset: Dataset) => unknown): Answer {
    const dataset = this.#datasets.get(id ?? '');
    return dataset === undefined ? notFound('dataset') : json(200, answer(dataset));
  }

  #time(): string {
    return new Date(this.#deps.now()).toISOString();
  }
}

/** The prompt of a request, wherever its operation has it. */
export function promptOf({ values }: Request): string {
  for (const name of ['prompt', 'text_prompt', 'image_request.prompt']) {
    const prompt = values.get(name);
    if (typeof prompt === 'string') return prompt;
  }
  return '';
}

/** The seed asked for; else one that follows from the prompt, so that equal calls get equal answers. */
function seedOf({ values }: Request, prompt: string): number {
  const asked = values.get('seed') ?? values.get('image_request.seed');
  if (typeof asked === 'number') return asked;
  return Number.parseInt(promptDigest(prompt).slice(0, 8), 16) & 0x7f_ff_ff_ff;
}

function datasetAnswer(dataset: Dataset) {
  return {
    dataset_id: dataset.id,
    name: dataset.name,
    user_id: 'emulated-user',
    creation_time: dataset.created,
    cover_asset_identifier: null,
  };
}

function modelAnswer(model: Model) {
  return {
    model_id: model.id,
    dataset_id: model.datasetId,
    model_name: model.name,
    training_status: 'COMPLETED',
  };
}

function notFound(what: string): Answer {
  return json(404, { error: `There is no such ${what}.` });
}

function newId(): string {
  return randomBytes(16).toString('base64url');
}
