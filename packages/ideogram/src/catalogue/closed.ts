/** Operations that no scope opens: those of Ideogram's own web console, and those internal to it. */
import type { Operation } from '@ideogate/contract';
import { closed } from './entry.ts';
import { text } from './fields.ts';

const CONSOLE_ONLY = "Needs Ideogram's own web session; an API key cannot call it.";
const INTERNAL = 'Internal to Ideogram; not meant for customers.';

const organization = text('organization_id', { required: true });
const MEMBERS = 'changes who is a member, and with which rights';
const BILLING = "spends the account's money";
const KEYS = 'creates or changes API keys';

/** Operations that no scope opens, each with why. */
export const CLOSED: readonly Operation[] = [
  manage('add-credits.create', 'POST', 'add_credits', 'Buy credits.', true, BILLING),
  manage('api-keys.list', 'GET', 'api_keys', 'List API keys.', false),
  manage('api-keys.create', 'POST', 'api_keys', 'Create an API key.', false, KEYS),
  manage('api-keys.delete', 'DELETE', 'api_keys/{api_key_id}', 'Delete an API key.', false, KEYS),
  manage('api-keys.update', 'PATCH', 'api_keys/{api_key_id}', 'Change an API key.', false, KEYS),
  manage('api-keys-v2.create', 'POST', 'api_keys_v2', 'Create an API key (second form).', true, KEYS),
  manage('credit-summary.get', 'GET', 'credit_summary', 'Read the credit balance.', true),
  closed(CONSOLE_ONLY, {
    id: 'manage.credits.list',
    path: '/manage/api/credits',
    summary: 'List credits.',
    query: [organization, text('start_time', { required: true }), text('end_time')],
  }),
  manage('organization.add-members', 'POST', 'organization/add_members', 'Add members.', true, MEMBERS),
  manage('organization.api-keys.list', 'GET', 'organization/api_keys', "List an organization's keys.", true),
  manage(
    'organization.billing-portal',
    'GET',
    'organization/billing_portal',
    'Open the billing portal.',
    true,
    'answers a link into the billing portal',
  ),
  manage(
    'organization.cancel-invite',
    'POST',
    'organization/cancel_invite',
    'Cancel an invitation.',
    true,
    MEMBERS,
  ),
  closed(
    CONSOLE_ONLY,
    {
      id: 'manage.organization.deactivate-api-key',
      method: 'POST',
      path: '/manage/api/organization/deactivate_api_key',
      summary: 'Deactivate an API key.',
      query: [text('api_key_id', { required: true })],
    },
    KEYS,
  ),
  manage('organization.demote-admins', 'POST', 'organization/demote_admins', 'Demote admins.', true, MEMBERS),
  manage('organization.invoices.list', 'GET', 'organization/list_invoices', 'List invoices.', true),
  manage('organization.members.list', 'GET', 'organization/members', 'List members.', true),
  manage(
    'organization.promote-admins',
    'POST',
    'organization/promote_admins',
    'Promote admins.',
    true,
    MEMBERS,
  ),
  manage(
    'organization.remove-members',
    'POST',
    'organization/remove_members',
    'Remove members.',
    true,
    MEMBERS,
  ),
  manage(
    'organization.resend-invite',
    'POST',
    'organization/resend_invite',
    'Send an invitation again.',
    true,
    MEMBERS,
  ),
  manage(
    'organization.user-suggestions',
    'GET',
    'organization/user_suggestions',
    'Suggest users to invite.',
    true,
  ),
  manage(
    'organization.api-properties.update',
    'PATCH',
    'organization/{organization_id}/api_properties',
    "Change an organization's API settings.",
    false,
    "changes the account's limits and settings",
  ),
  manage('payment.create', 'POST', 'payment', 'Start a payment.', true, BILLING),
  manage('profiles.list', 'GET', 'profiles', 'List profiles.', false),
  manage('spend-commit.get', 'GET', 'spend_commit', 'Read the spend commitment.', true),
  manage('stripe-subscription.get', 'GET', 'stripe_subscription', 'Read the payment subscription.', true),
  manage('subscription.get', 'GET', 'subscription', 'Read the subscription.', true),
  manage('subscription.create', 'POST', 'subscription', 'Change the subscription.', true, BILLING),
  manage('terms.get', 'GET', 'terms', 'Read the terms.', false),
  manage(
    'terms.accept',
    'POST',
    'terms',
    'Accept the terms.',
    false,
    'accepts terms in the name of the account',
  ),
  closed(CONSOLE_ONLY, {
    id: 'manage.usage.get',
    path: '/manage/api/usage',
    summary: 'Read usage.',
    query: [organization, text('segment_by', { required: true }), text('start_time', { required: true })],
  }),
  closed(CONSOLE_ONLY, {
    id: 'v2.integrations.list',
    path: '/v2/integrations',
    summary: "List the account's integrations.",
  }),
  closed(
    CONSOLE_ONLY,
    {
      id: 'v2.integrations.assets.search',
      method: 'POST',
      path: '/v2/integrations/{integration_type}/assets/search',
      summary: 'Search the assets of an integration.',
    },
    'reads files of other services that the account is linked with',
  ),
  closed(INTERNAL, {
    id: 'internal.testing',
    method: 'POST',
    path: '/internal-testing',
    summary: 'Internal test route.',
  }),
  closed(INTERNAL, {
    id: 'internal.batch.create',
    method: 'POST',
    path: '/internal/batch',
    summary: 'Start a batch.',
  }),
  closed(INTERNAL, {
    id: 'internal.batch.results',
    path: '/internal/batch/get-maybe-batch-results/{job_id}',
    summary: 'Read the results of a batch.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.marketing-projection',
    path: '/mini-apps/marketing-projection',
    summary: 'Marketing projection.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.publish',
    method: 'POST',
    path: '/mini-apps/publish',
    summary: 'Publish a mini app.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.publish-preview',
    method: 'POST',
    path: '/mini-apps/publish-preview',
    summary: 'Publish a preview of a mini app.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.stale-previews',
    path: '/mini-apps/stale-previews',
    summary: 'List stale previews.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.unpublish-preview',
    method: 'POST',
    path: '/mini-apps/unpublish-preview/{preview_id}',
    summary: 'Take a preview back.',
  }),
  closed(INTERNAL, {
    id: 'mini-apps.unpublish',
    method: 'POST',
    path: '/mini-apps/unpublish/{slug}',
    summary: 'Take a mini app back.',
  }),
];

function manage(
  id: string,
  method: Operation['method'],
  path: string,
  summary: string,
  byOrganization: boolean,
  danger: string | null = null,
): Operation {
  const query = byOrganization ? [organization] : [];
  return closed(
    CONSOLE_ONLY,
    { id: `manage.${id}`, method, path: `/manage/api/${path}`, summary, query },
    danger,
  );
}
