/** Data sets, the models trained from them, and the training runs. */
import type { Operation } from '@ideogate/contract';
import { get, JSON_ONLY, MULTIPART, open } from './entry.ts';
import { decimal, files, integer, required, text } from './fields.ts';
import { FREE, TRAINING_RUN } from './prices.ts';

const dataset = text('dataset_id', { required: true });
const modelName = text('model_name', { required: true });
const COSTS_40_USD = 'each call costs about 40 USD';

/** Data sets, and the models that are trained on them. */
export const CUSTOM_MODELS: readonly Operation[] = [
  get({
    id: 'datasets.list',
    path: '/datasets',
    summary: 'List training data sets.',
    scope: 'read:datasets',
    query: [text('search')],
  }),
  open({
    id: 'datasets.create',
    path: '/datasets',
    summary: 'Create a training data set.',
    scope: 'write:datasets',
    contentTypes: JSON_ONLY,
    fields: [text('name', { required: true })],
    price: FREE,
    danger: 'stores a data set in the account',
  }),
  get({
    id: 'datasets.get',
    path: '/datasets/{dataset_id}',
    summary: 'Read a training data set.',
    scope: 'read:datasets',
  }),
  open({
    id: 'datasets.upload',
    path: '/datasets/{dataset_id}/upload_assets',
    summary: 'Upload images, .txt captions or .zip archives to a data set.',
    scope: 'write:datasets',
    contentTypes: MULTIPART,
    fields: [required(files('files'))],
    price: FREE,
    danger: 'stores files in the account',
  }),
  open({
    id: 'datasets.train',
    path: '/datasets/{dataset_id}/train_model',
    summary: 'Train a custom model from a data set of 15 to 100 images.',
    scope: 'write:train',
    contentTypes: JSON_ONLY,
    fields: [modelName],
    price: TRAINING_RUN,
    danger: COSTS_40_USD,
  }),
  get({
    id: 'models.list',
    path: '/models',
    summary: 'List custom models.',
    scope: 'read:models',
    query: [text('scope'), { name: 'status', type: 'string[]' }],
  }),
  get({
    id: 'models.get',
    path: '/models/{model_id}',
    summary: 'Read a custom model.',
    scope: 'read:models',
  }),
  open({
    id: 'v3.train-model',
    path: '/v1/ideogram-v3/train-model',
    summary: 'Train a custom 3.0 model.',
    scope: 'write:train',
    contentTypes: JSON_ONLY,
    fields: [dataset, modelName],
    price: TRAINING_RUN,
    danger: COSTS_40_USD,
  }),
  open({
    id: 'v3.train-model-advanced',
    path: '/v1/ideogram-v3/train-model-advanced',
    summary: 'Train a custom 3.0 model with hyperparameters of your own.',
    scope: 'write:train',
    contentTypes: JSON_ONLY,
    fields: [
      dataset,
      modelName,
      integer('training_steps'),
      integer('lora_rank'),
      decimal('ema'),
      decimal('learning_rate'),
    ],
    price: TRAINING_RUN,
    danger: COSTS_40_USD,
  }),
  open({
    id: 'v4.train-model',
    path: '/v1/ideogram-v4/train-model',
    summary: 'Train a custom 4.0 model.',
    scope: 'write:train',
    contentTypes: JSON_ONLY,
    price: TRAINING_RUN,
    danger: COSTS_40_USD,
  }),
  open({
    id: 'v4.train-model-advanced',
    path: '/v1/ideogram-v4/train-model-advanced',
    summary: 'Train a custom 4.0 model with hyperparameters of your own.',
    scope: 'write:train',
    contentTypes: JSON_ONLY,
    price: TRAINING_RUN,
    danger: COSTS_40_USD,
  }),
];
