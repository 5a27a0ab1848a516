export {
  type Call,
  type CallFilter,
  type CallPage,
  listCalls,
  type RecordedEvent,
  showCall,
  tailCalls,
} from './calls.ts';
export { type KeyUse, keyUse, lastUseOf } from './key-use.ts';
export { type EventTexts, scanText } from './scan-text.ts';
export { findNotice } from './notices.ts';
export { type GrantedScope, recordBegins, scopesUsed } from './scope-use.ts';
